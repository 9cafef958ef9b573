"""Fixtures of the command line's tests: a data folder, and the end of the service in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance import privileges
from appliance.hub.kernel import namespace
from appliance.hub.names import KernelNames
from appliance.hub.wireguard import choose
from tests.appliance.cli.started import Run
from tests.sandboxes import need_sandbox


@pytest.fixture(scope="module", autouse=True)
def _dumps() -> Iterator[None]:
    """Restores the limit of core dumps, which commands that run within this process lower."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(privileges, "never_dump", lambda: None)
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Provides the path of a data folder that does not exist yet."""
    return place(tmp_path)


@pytest.fixture
def runs(swept: None) -> Iterator[list[Run]]:
    """Collects the processes that a test starts, and kills those that still run at its end."""
    del swept
    with ended() as started:
        yield started


@pytest.fixture
def swept() -> Iterator[None]:
    """Removes everything that an ended or killed hub has left on the host."""
    with sweeping():
        yield


def place(folder: Path) -> Path:
    """Returns the path of a data folder in this folder, which the service's users can get through."""
    need_sandbox()
    # The web process is another user, who can't get through pytest's private folders.
    for parent in (folder, *folder.parents):
        if parent.stat().st_mode & 0o011 != 0o011 and parent != Path("/"):
            parent.chmod(0o755)
    return folder / "data"


@contextmanager
def ended() -> Iterator[list[Run]]:
    """Collects started processes, and kills those that still run at the end."""
    started: list[Run] = []
    try:
        yield started
    finally:
        for run in started:
            if run.process.poll() is None:
                run.process.kill()
                run.process.communicate()


@contextmanager
def sweeping() -> Iterator[None]:
    """Removes at the end what an ended or killed hub has left on the host."""
    try:
        yield
    finally:
        backend = choose("auto")
        for name in namespace.names():
            backend.remove(KernelNames(namespace=name, link=name))
            namespace.remove(name)
        # A front door outlives its service too; the next test's would be the second for the same port.
        subprocess.run(["nft", "flush", "ruleset"], check=True)
