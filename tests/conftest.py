"""Options of a run, and its workers.

Each worker of a parallel run has a sandbox of its own, so that no test sees another's ports, links or processes.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import sandbox
from tests import properties

properties.load()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of long runs."""
    parser.addoption("--examples", type=int, default=4, help="how many requests are made up for each call of the API")
    parser.addoption(
        "--over-ssh",
        default="concurrent-adds",
        help="claims that are proven of a live service with a shell on its host, with commas",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder of temporary files that the workers' parent chose, inside this worker's sandbox."""
    chosen = config.getoption("basetemp")
    if hasattr(config, "workerinput") and chosen is not None:
        Path(chosen).parent.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Gives the gates of a run a key and a log of their own, in place of the user's."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> Iterator[None]:
    """Checks that a module leaves its sandbox and its process as it found them, for the module that runs next."""
    found = _state()
    yield
    assert _state() == found


def _state() -> tuple[object, ...]:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    return (most, _has_running_loop(), *_network())


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _network() -> tuple[object, ...]:
    if not sandbox.inside():
        return ()
    looks = (["nft", "list", "tables"], ["ip", "-brief", "address"], ["ip", "netns", "list"])
    told = [subprocess.run(look, capture_output=True, text=True, check=True).stdout for look in looks]
    return (Path("/run/netns").stat().st_mode, *told)
