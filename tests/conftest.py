"""Options of a run, its profile, and what each test leaves; `tests.workers` has the workers of a parallel run."""

from __future__ import annotations

import asyncio
import gc
import resource
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import is_hypothesis_test
from nftables import Nftables

from harness.gate.plugin import is_of_profile
from netlab import sandbox
from tests import draws, properties

_HERE = Path(__file__).parent
_LEFT = pytest.StashKey[list["LeftOut"]]()
# As many between two looks for garbage. With Python's 700, a fifth of a run's time goes into them.
_NEW_OBJECTS = 20_000


@dataclass(frozen=True)
class LeftOut:
    """Work that the quick profile leaves to the full one.

    Attributes:
        tests: number of tests.
        drawn: how many of them are cases that a run with another number might have drawn.
        properties: number of properties of which it tries some examples only.
    """

    tests: int
    drawn: int
    properties: int


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of long runs."""
    parser.addoption("--examples", type=int, default=4, help="how many requests are made up for each call of the API")
    parser.addoption("--draw", type=int, help="number that draws some of the long tests and of the drawn cases")
    parser.addoption(
        "--over-ssh",
        default="concurrent-adds",
        help="claims that are proven of a live service with a shell on its host, with commas",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Sets the profile of properties."""
    config.addinivalue_line("markers", f"{draws.MARK}(*parameters): a run with --draw draws their values")
    config.addinivalue_line("markers", f"{draws.LONG}: takes seconds; a run with --draw keeps one of {draws.SHARE}")
    config.stash[_LEFT] = []
    gc.set_threshold(_NEW_OBJECTS)
    properties.load(config.getoption("--profile"))


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, object, object]:
    """Draws cases for the quick profile, counts what it leaves out, and puts the tests of this folder first."""
    marked = [item for item in items if not is_of_profile(item)]
    result = yield
    # Some of them take seconds. At the end of a run, all other workers would wait for the one that has such a test.
    items.sort(key=lambda item: item.path.parent != _HERE)
    if config.getoption("--profile") == "full":
        return result
    number = config.getoption("--draw")
    kept = items[:] if number is None else draws.draw(items, number)
    left = set(items).difference(kept)
    if left:
        config.hook.pytest_deselected(items=list(left))
    items[:] = kept
    shortened = sum(is_hypothesis_test(getattr(item, "obj", None)) for item in kept)
    found = LeftOut(len(marked) + len(left), len(left), shortened)
    if found.tests or found.properties:
        config.stash[_LEFT].append(found)
        if hasattr(config, "workeroutput"):
            config.workeroutput["left out"] = astuple(found)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps what is loaded by its end out of later looks for garbage, and looks for none meanwhile."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Lets the end of the process free everything; some libraries complain about what is left."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes the count of a worker that ends."""
    if (found := getattr(node, "workeroutput", {}).get("left out")) is not None:
        node.config.stash[_LEFT].append(LeftOut(*found))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tells what the profile left out; all workers collect the same."""
    for found in config.stash[_LEFT][-1:]:
        drawn = f" ({found.drawn} of them by --draw={config.getoption('--draw')})" if found.drawn else ""
        terminalreporter.write_line(
            f"left to --profile full: {found.tests} tests{drawn}, and {properties.SHARE - 1} of {properties.SHARE}"
            f" examples of {found.properties} properties"
        )


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
    # Through its library and the folder of ip-netns(8): two programs less to start, twice for each module.
    failed, tables, why = Nftables().cmd("list tables")
    assert not failed, why
    addresses = subprocess.run(["ip", "-brief", "address"], capture_output=True, text=True, check=True).stdout
    named = Path("/run/netns")
    return (named.stat().st_mode, sorted(each.name for each in named.iterdir()), tables, addresses)
