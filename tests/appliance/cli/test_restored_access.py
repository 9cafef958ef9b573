"""`restore` lists everything that will work again, and restores nothing without consent."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest

from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.model.access import Scope
from appliance.service import Context, accounts, api_tokens, backup, machines, operators
from appliance.service.sessions import NOWHERE
from appliance.store import Store, audit, instance, migration, organizations
from appliance.store.instance import Instance
from appliance.vault import Vault
from tests.appliance.cli.started import assert_one_sentence, meshwg
from tests.appliance.fakes import FakeHub
from tests.appliance.forks import Forked
from tests.appliance.members import OPERATORS_PASSWORD, PASSWORD
from tests.appliance.postgres import Cluster
from tests.appliance.sealed import OLD
from tests.appliance.sites import make_store
from tests.waiting import DEADLINE

pytestmark = pytest.mark.long

SECRET = {"MESHWG_UNLOCK_SECRET": OLD}
HOSTILE = "pu\x1b[2Jne"


@dataclass(frozen=True)
class Sealed:
    """A backup with its content."""

    file: Path
    organization: str
    keys: dict[str, str]


@pytest.fixture
def sealed(data: Path, tmp_path: Path) -> Sealed:
    """A backup of an organization with two machines, a session and a token."""
    del data
    (tmp_path / "old").mkdir()
    store = make_store(tmp_path / "old" / "meshwg.sqlite")
    organization, keys = found(store)
    with store.write() as transaction:
        # As a web process might that was taken over.
        transaction.exec_driver_sql("UPDATE machines SET name = ? WHERE name = 'pune'", (HOSTILE,))
    file = tmp_path / "backup"
    with file.open("wb") as written:
        backup.write(store, written, OLD)
    store.close()
    return Sealed(file, organization, keys)


def found(store: Store) -> tuple[str, dict[str, str]]:
    """Provides the organization's id and the machines' keys in a new store with two machines, a session and a token."""
    with store.write() as transaction:
        instance.create(transaction, Instance("abc", Vault.make(OLD)[1]))
    context = Context(store, FakeHub(), "vpn.example.net:51820")
    session, _ = accounts.sign_up(
        context, email="owner@acme.example", password=PASSWORD, organization="acme", language="hi"
    )
    actor = accounts.actor_of(context, session.token)
    keys = {name: machines.add(context, actor, name=name).machine.public_key for name in ("mumbai", "pune")}
    api_tokens.issue(context, actor, name="ci", scope=Scope.WRITE.value, password=PASSWORD)
    return actor.organization_id, keys


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the restored store."""
    made: list[Store] = []

    def open_it() -> Store:
        made.append(Store(f"sqlite:///{tmp_path / 'new' / 'store' / 'meshwg.sqlite'}"))
        return made[-1]

    yield open_it
    for store in made:
        store.close()


def rows(store: Store, table: str) -> int:
    with store.read() as transaction:
        return int(transaction.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())  # noqa: S608 - ours


def restore_at_a_terminal(new: Path, file: Path, typed: str) -> tuple[int, str]:
    """Runs the command in a terminal with this input; returns the exit code and the output."""
    controller, terminal = pty.openpty()
    with closing(os.fdopen(controller, "r+b", buffering=0)) as screen:
        with os.fdopen(terminal, "w") as shown:
            arguments = ["restore", str(file), f"--data={new}"]
            process = Forked(arguments, {**os.environ, **SECRET}, (shown, shown), stdin=terminal)
        screen.write(typed.encode())
        said = b""
        while True:
            try:
                found = screen.read(4096)
            except OSError:
                break
            if not found:
                break
            said += found
        return process.wait(DEADLINE), said.decode()


def test_without_a_terminal_the_list_is_printed_and_no_more(sealed: Sealed, tmp_path: Path) -> None:
    new = tmp_path / "made" / "of" / "new"
    done = meshwg(new, "restore", str(sealed.file), **SECRET)
    assert done.returncode == Exit.REFUSED
    assert_one_sentence(done.stderr)
    assert "--yes" in done.stderr
    for expected in ("acme", "mumbai", *sealed.keys.values(), "owner@acme.example: owner", "ci of owner@acme.example"):
        assert expected in done.stdout
    assert "\x1b" not in done.stdout
    assert not (tmp_path / "made").exists()


def test_operators_are_listed_and_signed_out(data: Path, tmp_path: Path, opened: Callable[[], Store]) -> None:
    del data
    (tmp_path / "old").mkdir()
    store = make_store(tmp_path / "old" / "meshwg.sqlite")
    found(store)
    context = Context(store, FakeHub(), "vpn.example.net:51820")
    operators.add(context, "new@ops.example")
    token = operators.add(context, "old@ops.example").rpartition("/")[2]
    phone = pyotp.TOTP(operators.propose(context, token, OPERATORS_PASSWORD).secret)
    operators.enrol(context, token, phone.now(), NOWHERE)
    with (tmp_path / "backup").open("wb") as written:
        backup.write(store, written, OLD)
    store.close()
    done = meshwg(tmp_path / "new", "restore", str(tmp_path / "backup"), "--yes", **SECRET)
    assert done.returncode == 0, done.stderr
    assert "old@ops.example: second factor with 10 recovery codes" in done.stdout
    assert "new@ops.example: not set up" in done.stdout
    restored = opened()
    counts = [rows(restored, f"operator{table}") for table in ("s", "_factors", "_sessions", "_links")]
    assert counts == [2, 1, 0, 0]


def test_an_existing_folder_stays_unchanged(sealed: Sealed, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir(mode=0o755)
    (new / "mine").touch()
    assert meshwg(new, "restore", str(sealed.file), **SECRET).returncode == Exit.REFUSED
    assert [path.name for path in new.iterdir()] == ["mine"]


def test_the_folder_is_locked_while_it_is_created(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new")

    def fail_while_others_wait() -> None:
        with folder.founding():
            with pytest.raises(CommandError, match="runs on the data folder"), Folder(tmp_path / "new").locked():
                pass
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_others_wait()
    assert not folder.path.exists()
    with folder.founding():
        pass
    assert [path.name for path in folder.path.iterdir()] == ["lock"]


@pytest.mark.parametrize("typed", ["n\n", "\n", "\x04", "y\n\x04"])
def test_without_consent_nothing_is_restored(sealed: Sealed, tmp_path: Path, typed: str) -> None:
    code, said = restore_at_a_terminal(tmp_path / "new", sealed.file, typed)
    assert (code, "Nothing was restored." in said) == (Exit.REFUSED, True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("typed", "is_enabled"), [("y\nn\n", 1), ("y\ny\n", 0)])
def test_after_consent_the_restore_asks_about_machines(
    sealed: Sealed, tmp_path: Path, opened: Callable[[], Store], typed: str, is_enabled: int
) -> None:
    code, said = restore_at_a_terminal(tmp_path / "new", sealed.file, typed)
    assert code == 0, said
    store = opened()
    with store.read() as transaction:
        found = transaction.exec_driver_sql("SELECT DISTINCT enabled FROM machines").scalars().all()
    assert found == [is_enabled]


def test_a_restore_ends_temporary_access_and_records_it(
    sealed: Sealed, tmp_path: Path, opened: Callable[[], Store]
) -> None:
    done = meshwg(tmp_path / "new", "restore", str(sealed.file), "--yes", "--disable-machines", **SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 machines disabled" in done.stdout
    store = opened()
    assert (rows(store, "sessions"), rows(store, "api_tokens"), rows(store, "members")) == (0, 1, 1)
    with store.read() as transaction:
        entry = audit.page_of(transaction, sealed.organization, before=None, limit=1)[0]
        desired = organizations.desired(transaction, sealed.organization)
        going_on = transaction.exec_driver_sql("SELECT count(*) FROM lifetimes WHERE until IS NULL").scalar_one()
    assert (entry.actor, entry.action) == ("operator", "service.restored")
    assert {key: entry.detail[key] for key in ("machines", "machines_disabled", "members", "tokens")} == {
        "machines": 2,
        "machines_disabled": 2,
        "members": 1,
        "tokens": 1,
    }
    assert desired is not None
    assert (desired.peers, going_on) == ((), 0)


def test_a_store_copied_back_is_settled_in_place(sealed: Sealed, tmp_path: Path, opened: Callable[[], Store]) -> None:
    new = tmp_path / "new"
    assert meshwg(new, "restore", **SECRET).returncode == Exit.NOT_CONFIGURED
    assert meshwg(new, "restore", str(sealed.file), "--yes", **SECRET).returncode == 0
    done = meshwg(new, "restore")
    assert (done.returncode, "mumbai" in done.stdout) == (Exit.REFUSED, True)
    with Folder(new).locked():
        assert meshwg(new, "restore", "--yes").returncode == Exit.BUSY
    assert meshwg(new, "restore", "--yes", "--disable-machines").returncode == 0
    with opened().read() as transaction:
        assert transaction.exec_driver_sql("SELECT sum(enabled) FROM machines").scalar_one() == 0
        assert transaction.exec_driver_sql("SELECT language FROM members").scalar_one() == "hi"


def test_a_folder_closed_to_the_web_process_gets_no_restore(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    done = meshwg(tmp_path / "private" / "new", "restore", str(sealed.file), "--yes", **SECRET)
    assert (done.returncode, "can't get into" in done.stderr) == (Exit.CANNOT_CREATE, True)
    assert not list((tmp_path / "private").iterdir())


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """Returns the writing end of a pipe that nothing reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.fixture
def full_disk() -> Iterator[int]:
    """Returns an open file that refuses each write with ENOSPC, as full(4) says."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("closed_pipe", 128 + signal.SIGPIPE, ""),
        (
            "full_disk",
            Exit.CANNOT_CREATE,
            "meshwg: The list of what comes back can't be written (No space left on device), and nothing was restored.",
        ),
    ],
)
def test_a_list_that_nobody_sees_restores_nothing(
    output: str, code: int, said: str, sealed: Sealed, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    new = tmp_path / "new"
    command = [sys.executable, "-m", "appliance", "restore", str(sealed.file), "--yes", f"--data={new}"]
    done = subprocess.run(
        command,
        stdout=request.getfixturevalue(output),
        stderr=subprocess.PIPE,
        env={**os.environ, **SECRET},
        check=False,
        timeout=DEADLINE,
        text=True,
    )
    assert (done.returncode, done.stderr.rstrip(), new.exists()) == (code, said, False)


def test_a_postgresql_store_is_settled_after_pg_restore(cluster: Cluster, data: Path) -> None:
    name = cluster.create()
    url = cluster.url(name)
    store = Store(url)
    migration.upgrade(store)
    found(store)
    done = meshwg(data, "restore", f"--database-url={url}", "--yes", "--disable-machines")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 machines disabled" in done.stdout
    assert rows(store, "sessions") == 0
    store.close()
    cluster.drop(name)
