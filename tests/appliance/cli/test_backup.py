"""`backup` and `restore` of the whole service as one file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.cli.errors import Exit
from appliance.service import backup as service
from appliance.store import Store
from tests.appliance.cli.started import Run, assert_refused, call, log_in, meshwg, refused, sign_up, start
from tests.appliance.sealed import NEW, OLD, opens, sealed_store
from tests.waiting import DEADLINE

SECRET = {"MESHWG_UNLOCK_SECRET": OLD}


@pytest.fixture
def wg_quick(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Brings a machine up beside the hub, from its unchanged configuration, and down at the end."""
    file = tmp_path / "machine.conf"

    def up(text: str) -> None:
        file.touch(0o600)
        file.write_text(text)
        subprocess.run(["wg-quick", "up", str(file)], check=True, capture_output=True, timeout=DEADLINE)

    yield up
    subprocess.run(["wg-quick", "down", str(file)], check=False, capture_output=True, timeout=DEADLINE)


def hub_answers(within: float = DEADLINE) -> bool:
    """Tells if the machine's ping through its tunnel is answered."""
    done = subprocess.run(
        ["ping", "-c1", f"-w{within:.0f}", "10.100.0.1"], check=False, capture_output=True, timeout=2 * DEADLINE
    )
    return done.returncode == 0


def connected(runs: list[Run], data: Path, wg_quick: Callable[[str], None]) -> tuple[Run, str, dict[str, Any]]:
    """Provides a service, a session of its one organization, and the organization's connected machine."""
    run = start(runs, data, "--endpoint=127.0.0.1", **SECRET)
    run.wait_until_ready()
    _, token = sign_up("acme")
    status, made = call("POST", "/api/v1/machines", {"name": "mumbai"}, token)
    assert status == 201
    wg_quick(made["config"])
    assert hub_answers()
    return run, token, made["machine"]


@pytest.mark.long
def test_machines_reconnect_to_a_restored_service(
    data: Path, runs: list[Run], tmp_path: Path, wg_quick: Callable[[str], None]
) -> None:
    file, restored = tmp_path / "backup", tmp_path / "restored"
    run, token, machine = connected(runs, data, wg_quick)
    organization = call("GET", "/api/v1/organization", token=token)

    done = meshwg(data, "backup", str(file), **SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    for word in (b"SQLite", b"CREATE TABLE", b"acme", b"mumbai", machine["public_key"].encode()):
        assert word not in content

    # Where the first one runs, a second of the same instance does not.
    done = meshwg(restored, "restore", str(file), "--yes", **SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine["public_key"] in done.stdout
    code, said = refused(runs, restored, "--listen=127.0.0.1:18444", **SECRET)
    assert (code, "runs on this host already" in said) == (Exit.BUSY, True)
    assert hub_answers()
    assert run.stop() == 0

    again = start(runs, restored, "--endpoint=127.0.0.1", **SECRET)
    again.wait_until_ready()
    assert hub_answers()
    assert call("GET", "/api/v1/organization", token=token)[0] == 401
    _, token = log_in("acme")
    assert call("GET", "/api/v1/organization", token=token) == organization
    assert again.stop() == 0


@pytest.mark.long
def test_restored_machines_are_disabled_until_enabled_one_by_one(
    data: Path, runs: list[Run], tmp_path: Path, wg_quick: Callable[[str], None]
) -> None:
    file, restored = tmp_path / "backup", tmp_path / "restored"
    run, token, machine = connected(runs, data, wg_quick)
    path = f"/api/v1/machines/{machine['id']}"
    assert call("PATCH", path, {"enabled": False}, token)[0] == 200
    assert not hub_answers(1)
    assert call("PATCH", path, {"enabled": True}, token)[0] == 200
    assert hub_answers()
    assert meshwg(data, "backup", str(file), **SECRET).returncode == 0
    assert call("DELETE", path, token=token)[0] == 204
    assert run.stop() == 0

    done = meshwg(restored, "restore", str(file), "--yes", "--disable-machines", **SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    again = start(runs, restored, "--endpoint=127.0.0.1", **SECRET)
    again.wait_until_ready()
    _, token = log_in("acme")
    assert call("GET", path, token=token)[1]["enabled"] is False
    assert not hub_answers(1)
    assert call("PATCH", path, {"enabled": True}, token)[0] == 200
    assert hub_answers()
    assert again.stop() == 0


@dataclass(frozen=True)
class Backed:
    """A store without a running service, and a backup of it."""

    data: Path
    file: Path
    store: Store


@pytest.fixture
def backed(data: Path, tmp_path: Path) -> Backed:
    """Makes a backup without a running service."""
    (data / "store").mkdir(parents=True)
    store = sealed_store(data / "store", "meshwg.sqlite")
    file = tmp_path / "backup"
    with file.open("wb") as sealed:
        service.write(store, sealed, OLD)
    return Backed(data, file, store)


def test_a_backup_refuses_bad_input(backed: Backed) -> None:
    before = backed.file.read_bytes()
    target, data = str(backed.file), backed.data
    assert_refused(meshwg(data, "backup", target, **SECRET), Exit.CANNOT_CREATE)
    assert_refused(meshwg(data, "backup", target, "--force", MESHWG_UNLOCK_SECRET=NEW), Exit.NOT_CONFIGURED)
    assert_refused(meshwg(data, "backup", target, "--force"), Exit.NOT_CONFIGURED)
    assert_refused(meshwg(data, "backup", "/nowhere/x", **SECRET), Exit.CANNOT_CREATE)
    assert backed.file.read_bytes() == before
    assert meshwg(data, "backup", target, "--force", **SECRET).returncode == 0
    assert backed.file.read_bytes() != before
    assert {path.name for path in backed.file.parent.iterdir()} == {"backup", "data"}
    assert backed.file.stat().st_mode & 0o777 == 0o600


def test_a_backup_with_a_passphrase_needs_the_unlock_secret_too(backed: Backed, tmp_path: Path) -> None:
    file, passphrase, other = tmp_path / "sealed", tmp_path / "passphrase", tmp_path / "other"
    for path, text in ((passphrase, "four words and a horse"), (other, "four words and a cow, too")):
        path.touch(0o600)
        path.write_text(text)
    sealed_with = (str(file), f"--passphrase-file={passphrase}")
    assert_refused(meshwg(backed.data, "backup", *sealed_with), Exit.NOT_CONFIGURED)
    done = meshwg(backed.data, "backup", *sealed_with, **SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    new = tmp_path / "new"
    assert_refused(meshwg(new, "restore", str(file), **SECRET), Exit.NOT_CONFIGURED)
    assert_refused(meshwg(new, "restore", str(file), f"--passphrase-file={other}"), Exit.NOT_CONFIGURED)
    done = meshwg(new, "restore", *sealed_with, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    store = Store(f"sqlite:///{new / 'store' / 'meshwg.sqlite'}")
    opens(store, OLD)
    store.close()
    passphrase.chmod(0o644)
    assert_refused(meshwg(backed.data, "backup", *sealed_with, "--force", **SECRET), Exit.NOT_CONFIGURED)


@pytest.mark.long
def test_a_killed_backup_leaves_the_previous_one(backed: Backed) -> None:
    before = backed.file.read_bytes()
    program = """
import os, signal
from appliance.service import backup
write = backup.write
def die(store, sealed, secret, work):
    write(store, sealed, secret, work)
    os.kill(os.getpid(), signal.SIGKILL)
backup.write = die
from appliance.cli import main
main()
"""
    command = [sys.executable, "-c", program, "backup", str(backed.file), "--force", f"--data={backed.data}"]
    done = subprocess.run(command, check=False, timeout=DEADLINE, env={**os.environ, **SECRET})
    assert done.returncode == -signal.SIGKILL
    assert backed.file.read_bytes() == before
    assert {path.name for path in (backed.data / "store").iterdir()} <= {
        "meshwg.sqlite",
        "meshwg.sqlite-wal",
        "meshwg.sqlite-shm",
    }


@pytest.mark.long
def test_a_refused_restore_leaves_nothing(backed: Backed, tmp_path: Path) -> None:
    content = backed.file.read_bytes()
    new = tmp_path / "new"
    damaged = tmp_path / "damaged"

    def refuses(code: Exit, file: Path = damaged, **environment: str) -> None:
        assert_refused(meshwg(new, "restore", str(file), **(environment or SECRET)), code)
        assert not new.exists()

    for broken in (content[:-1], content[:100], b"", content + b"x", content[:-50] + b"y" + content[-49:], b"x" * 5000):
        damaged.write_bytes(broken)
        refuses(Exit.NO_INPUT)
    refuses(Exit.NO_INPUT, tmp_path / "none")
    refuses(Exit.NOT_CONFIGURED, backed.file, MESHWG_UNLOCK_SECRET=NEW)
    refuses(Exit.NOT_CONFIGURED, backed.file, MESHWG_ENDPOINT="x")


def test_an_existing_store_is_never_replaced(backed: Backed) -> None:
    assert_refused(meshwg(backed.data, "restore", str(backed.file), **SECRET), Exit.CANNOT_CREATE)
    opens(backed.store, OLD)


@pytest.mark.long
def test_a_store_of_a_later_version_is_not_restored(backed: Backed, tmp_path: Path) -> None:
    with backed.store.write() as transaction:
        transaction.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with backed.file.open("wb") as sealed:
        service.write(backed.store, sealed, OLD)
    assert_refused(meshwg(tmp_path / "new", "restore", str(backed.file), **SECRET), Exit.NO_INPUT)
    assert not (tmp_path / "new").exists()


@pytest.mark.long
def test_a_killed_restore_leaves_no_store_and_can_be_repeated(backed: Backed, tmp_path: Path) -> None:
    new = tmp_path / "new"
    program = """
import os, signal
from appliance.service import backup
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
backup.upgrade = die
from appliance.cli import main
main()
"""
    command = [sys.executable, "-c", program, "restore", str(backed.file), f"--data={new}"]
    done = subprocess.run(command, check=False, timeout=DEADLINE, env={**os.environ, **SECRET})
    assert done.returncode == -signal.SIGKILL
    assert not (new / "store").exists()
    # An empty store would stop the restore for good.
    code, said = refused([], new, "--listen=127.0.0.1:18444", **SECRET)
    assert (code, "was interrupted" in said, (new / "store").exists()) == (Exit.NOT_CONFIGURED, True, False)
    again = meshwg(new, "restore", str(backed.file), "--yes", **SECRET)
    assert (again.returncode, again.stderr) == (0, "")
    store = Store(f"sqlite:///{new / 'store' / 'meshwg.sqlite'}")
    opens(store, OLD)
    store.close()
    assert (new / "store").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in new.iterdir()} == {"store", "lock"}


def test_a_backup_of_postgresql_is_refused_with_advice(backed: Backed, tmp_path: Path) -> None:
    url = "--database-url=postgresql+psycopg://localhost/meshwg"
    for command, program in (("restore", "pg_restore"), ("backup", "pg_dump")):
        done = meshwg(tmp_path / "new", command, str(backed.file), url, **SECRET)
        assert_refused(done, Exit.UNAVAILABLE)
        assert program in done.stderr


@pytest.mark.parametrize("command", ["status", "backup", "restore"])
def test_an_invalid_database_url_is_one_sentence(backed: Backed, command: str) -> None:
    file = () if command == "status" else (str(backed.file),)
    done = meshwg(backed.data, command, *file, "--database-url=nonsense", **SECRET)
    assert_refused(done, Exit.NOT_CONFIGURED)
