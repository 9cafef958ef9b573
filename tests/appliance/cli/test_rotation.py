"""`rotate-unlock-secret`: with a running service, without one, and refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.store import Store
from tests.appliance.cli.started import (
    Run,
    answer,
    assert_refused,
    call,
    children,
    meshwg,
    refused,
    sign_up,
    start,
    wait_for_health,
)
from tests.appliance.sealed import NEW, OLD, opens, sealed_store
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def test_a_rotation_under_a_running_service_succeeds(data: Path, runs: list[Run], tmp_path: Path) -> None:
    new = tmp_path / "new.secret"
    run = start(runs, data, MESHWG_UNLOCK_SECRET=OLD)
    run.wait_until_ready()
    _, token = sign_up("acme")
    before, processes = answer(data, "census"), children(run.process.pid)

    wrong = meshwg(data, "rotate-unlock-secret", f"--new-secret-file={new}", MESHWG_UNLOCK_SECRET=NEW)
    assert_refused(wrong, Exit.NOT_CONFIGURED)
    assert not new.exists()

    done = meshwg(data, "rotate-unlock-secret", f"--new-secret-file={new}", MESHWG_UNLOCK_SECRET=OLD)
    assert done.returncode == 0, done.stderr
    assert f"The running service knows it; start the next one with MESHWG_UNLOCK_SECRET_FILE={new}\n" in done.stdout
    assert new.stat().st_mode & 0o777 == 0o600
    assert new.read_text().strip() not in done.stdout
    # Nothing was restarted or rebuilt, and what needs keys goes on.
    assert children(run.process.pid) == processes
    assert answer(data, "census") == before
    assert call("POST", "/api/v1/machines", {"name": "mumbai"}, token)[0] == 201
    sign_up("bolt")

    # The supervisor's next hub opens the keys, and so finds its links to be right: it adopts them.
    before = answer(data, "census")
    os.kill(processes["hub"], signal.SIGKILL)
    wait_until(lambda: children(run.process.pid).get("hub") not in (None, processes["hub"]))
    wait_for_health("/readyz")
    assert answer(data, "census") == before
    assert run.stop() == 0

    code, _ = refused(runs, data, MESHWG_UNLOCK_SECRET=OLD)
    assert code == Exit.NOT_CONFIGURED
    again = start(runs, data, MESHWG_UNLOCK_SECRET_FILE=str(new))
    again.wait_until_ready()
    wait_for_health("/readyz")
    assert again.stop() == 0


@pytest.fixture
def sealed(data: Path) -> Store:
    """Provides a store without a running service, which the old secret opens."""
    (data / "store").mkdir(parents=True)
    return sealed_store(data / "store", "meshwg.sqlite")


def rotate(data: Path, file: Path, secret: str = OLD) -> tuple[int, str]:
    done = meshwg(data, "rotate-unlock-secret", f"--new-secret-file={file}", MESHWG_UNLOCK_SECRET=secret)
    if done.returncode:
        assert_refused(done, done.returncode)
    return done.returncode, done.stdout + done.stderr


def test_a_rotation_without_a_service_can_be_repeated(data: Path, sealed: Store, tmp_path: Path) -> None:
    file = tmp_path / "new.secret"
    file.touch(0o600)
    file.write_text(NEW + "\n")
    code, said = rotate(data, file)
    assert code == 0
    assert said.endswith(f"Start the service with MESHWG_UNLOCK_SECRET_FILE={file}\n")
    assert "running" not in said
    opens(sealed, NEW)
    # Whoever was interrupted before it was said may ask again.
    assert rotate(data, file)[0] == 0
    opens(sealed, NEW)


def test_a_refused_rotation_changes_nothing(data: Path, sealed: Store, tmp_path: Path) -> None:
    present, open_to_all = tmp_path / "present", tmp_path / "open"
    for file, mode in ((present, 0o600), (open_to_all, 0o644)):
        file.write_text(OLD)
        file.chmod(mode)
    assert rotate(data, present)[0] == Exit.NOT_CONFIGURED
    assert rotate(data, open_to_all)[0] == Exit.NOT_CONFIGURED
    assert rotate(data, data / "inside")[0] == Exit.NOT_CONFIGURED
    assert rotate(data, tmp_path / "none" / "x")[0] == Exit.CANNOT_CREATE
    done = meshwg(data, "rotate-unlock-secret", f"--new-secret-file={tmp_path / 'x'}")
    assert_refused(done, Exit.NOT_CONFIGURED)
    opens(sealed, OLD)
    assert not (tmp_path / "x").exists()


def test_a_rotation_refused_by_the_store_keeps_the_old_secret(data: Path, sealed: Store, tmp_path: Path) -> None:
    with sealed.write() as transaction:
        transaction.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE UPDATE ON instance BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    code, said = rotate(data, tmp_path / "new")
    assert code == Exit.CANNOT_CREATE
    # No trigger in a store is obeyed, and a statement that would have one do something is refused.
    assert "not authorized" in said
    opens(sealed, OLD)
    assert (tmp_path / "new").exists()
