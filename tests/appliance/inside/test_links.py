"""Links put in the store's place by the web user while root works there: nothing behind them is read or written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.cli.errors import Exit
from appliance.cli.ownership import web_user
from tests.appliance.cli.conftest import runs
from tests.appliance.cli.started import (
    Run,
    assert_one_sentence,
    assert_refused,
    meshwg,
    sign_up,
    start,
    wait_for_health,
)
from tests.appliance.sealed import NEW, OLD
from tests.waiting import DEADLINE, wait_until

__all__ = ["runs"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to be root among others")

SECRET = {"MESHWG_UNLOCK_SECRET": OLD}

# Two states in turn, for some milliseconds each: the store as it is, and links to what is root's.
_RACER = """
import os, signal, sys, time
store, outside = sys.argv[1:]
names = [f"meshwg.sqlite{end}" for end in ("", "-wal", "-shm", "-journal")]
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
print("begins", flush=True)
while not ended:
    moved = []
    for name in names:
        try:
            os.rename(f"{store}/{name}", f"{store}/kept-{name}")
            moved.append(name)
        except FileNotFoundError:
            pass
        os.symlink(outside + name.removeprefix("meshwg.sqlite"), f"{store}/{name}")
    time.sleep(0.02)
    for name in names:
        try:
            os.unlink(f"{store}/{name}")
        except FileNotFoundError:
            pass
    for name in moved:
        os.rename(f"{store}/kept-{name}", f"{store}/{name}")
    time.sleep(0.05)
"""


@contextmanager
def racing(data: Path, outside: Path) -> Iterator[None]:
    """Swaps the store's files, as the web user, for links to another store until the block ends."""
    user = web_user()
    # The interpreter itself rather than the virtual environment's, which that user may not be able to reach.
    python = (str(Path(sys.executable).resolve()), "-I", "-S")
    with subprocess.Popen(
        [*python, "-c", _RACER, str(data / "store"), str(outside)],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        stdout=subprocess.PIPE,
    ) as racer:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"begins\n"
        yield
        racer.terminate()
        assert racer.wait(DEADLINE) == 0


def state(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Reads all of a folder's files that a write, a chown or a chmod would change."""
    found = {}
    for path in folder.iterdir():
        each = path.stat()
        found[path.name] = (each.st_uid, each.st_gid, each.st_mode, path.read_bytes())
    return found


@pytest.mark.long
def test_commands_neither_read_nor_write_behind_links(data: Path, runs: list[Run], tmp_path: Path) -> None:
    run = start(runs, data, **SECRET)
    run.wait_until_ready()
    sign_up("acme")
    assert run.stop() == 0
    # Root's own store, which the very same secret opens: who follows a link to it gets on as usual.
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    (outside / "kept.sqlite").write_bytes((data / "store" / "meshwg.sqlite").read_bytes())
    for end in ("-wal", "-shm", "-journal"):
        (outside / f"kept.sqlite{end}").touch()
    for path in outside.iterdir():
        path.chmod(0o600)
    before = state(outside)

    commands = (
        ("status",),
        ("operations",),
        ("census",),
        ("admin", "list"),
        ("backup", str(tmp_path / "backup"), "--force"),
        ("rotate-unlock-secret", f"--new-secret-file={tmp_path / 'new'}"),
    )
    (tmp_path / "new").touch(0o600)
    (tmp_path / "new").write_text(NEW)
    with racing(data, outside / "kept.sqlite"):
        for command in commands:
            done = meshwg(data, *command, **SECRET)
            if done.returncode and done.stderr:
                assert_one_sentence(done.stderr)
        again = start(runs, data, **SECRET)
        try:
            again.process.wait(5)
        except subprocess.TimeoutExpired:
            again.process.send_signal(signal.SIGTERM)
            again.process.wait(DEADLINE)
    assert state(outside) == before

    # With the links gone, it is the service that it was; a rotation took place or did not.
    secret = NEW if meshwg(data, "backup", str(tmp_path / "last"), MESHWG_UNLOCK_SECRET=NEW).returncode == 0 else OLD
    last = start(runs, data, MESHWG_UNLOCK_SECRET=secret)
    last.wait_until_ready()
    wait_for_health("/readyz")
    wait_until(lambda: "acme" in meshwg(data, "admin", "list", MESHWG_UNLOCK_SECRET=secret).stdout)
    assert last.stop() == 0
    assert state(outside) == before


def test_a_restore_writes_nothing_behind_a_link(data: Path, runs: list[Run], tmp_path: Path) -> None:
    run = start(runs, data, **SECRET)
    run.wait_until_ready()
    backup = tmp_path / "backup"
    assert meshwg(data, "backup", str(backup), **SECRET).returncode == 0
    # Nor is a backup written where the web user may put one.
    assert_refused(meshwg(data, "backup", str(data / "store" / "backup"), **SECRET), Exit.CANNOT_CREATE)
    assert run.stop() == 0
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    before = state(outside)
    # What an interrupted restore left is the web user's, who puts a tree with a way out into it.
    restored, user = tmp_path / "restored", web_user()
    staging = restored / "store.restoring"
    (staging / "deep").mkdir(parents=True)
    (staging / "deep" / "out").symlink_to(outside)
    (staging / "meshwg.sqlite").symlink_to(outside / "file")
    for path in (staging, staging / "deep"):
        os.chown(path, user.uid, user.gid)
    done = meshwg(restored, "restore", str(backup), "--yes", **SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    assert state(outside) == before
    assert not staging.exists()
    store = restored / "store" / "meshwg.sqlite"
    assert (store.stat().st_uid, store.is_symlink()) == (user.uid, False)
