"""Many organizations in one process: libnftables aborts it if one of its sockets has a descriptor of 1024 or more."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.hub.kernel import nft
from appliance.hub.kernel.descriptors import FIRST_HIGH, moved_high
from appliance.hub.kernel.events import Watcher
from appliance.hub.kernel.nft import Rulesets
from tests.appliance.clocks import ModuleTime
from tests.appliance.hub.kernel.places import made

NAMES = ("mwtestone", "mwtesttwo", "mwtestthree")
TABLE = "table inet t {}\n"


@pytest.fixture(autouse=True)
def enough() -> Iterator[None]:
    """Raises the limit of open files, as a hub does at its start; most shells begin with 1024."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


needs_many_files = pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= FIRST_HIGH,
    reason="this machine gives a process too few open files (ulimit -Hn)",
)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, ...]]:
    with made(NAMES):
        yield NAMES


def opened() -> set[int]:
    return {int(each.name) for each in Path("/proc/self/fd").iterdir()}


@needs_many_files
def test_a_raised_file_moves_to_a_high_descriptor() -> None:
    reader, writer = os.pipe()
    high = moved_high(writer)
    assert high >= FIRST_HIGH
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer)
    os.write(high, b"x")
    assert os.read(reader, 1) == b"x"
    os.close(high)
    os.close(reader)


@needs_many_files
def test_watching_an_organization_takes_no_low_descriptors(namespaces: tuple[str, ...]) -> None:
    watcher = Watcher(lambda *_: None)
    before = opened()
    for name in namespaces:
        watcher.watch(name, name, os.getpid())
    taken = opened() - before
    assert len(taken) >= 4 * len(namespaces)
    assert min(taken) >= FIRST_HIGH
    watcher.close()


def sockets() -> set[str]:
    """Lists the sockets of this process, each by a name that no later one has."""
    files = [Path(f"/proc/self/fd/{number}") for number in opened()]
    return {str(each.readlink()) for each in files if each.is_socket()}


def test_open_contexts_are_bounded_by_low_descriptors(namespaces: tuple[str, ...]) -> None:
    before, rulesets = sockets(), Rulesets(most_open=2)
    first, second, third = namespaces
    for name in (first, second, first, third, second, first):
        rulesets.load(name, TABLE)
        assert len(sockets() - before) <= 2
    kept = sockets()
    for name in (second, first):
        rulesets.load(name, TABLE)
        assert sockets() == kept, "those that were used last are kept"
    for name in namespaces:
        assert nft.tables(name) == ("inet t",)
        rulesets.forget(name)


def test_idle_contexts_are_closed_and_opened_again(
    namespaces: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ModuleTime()
    monkeypatch.setattr(nft, "time", clock)
    before, rulesets = sockets(), Rulesets()
    first, second, _ = namespaces
    rulesets.load(first, TABLE)
    clock.sleep(nft.IDLE_S)
    rulesets.load(second, TABLE)
    rulesets.close_idle()
    kept = sockets()
    assert len(kept - before) == 2
    clock.sleep(1.0)
    rulesets.close_idle()
    assert len(sockets() - before) == 1
    assert sockets() < kept
    clock.sleep(nft.IDLE_S)
    rulesets.close_idle()
    assert sockets() == before
    rulesets.load(first, "table inet again {}\n")
    assert nft.tables(first) == ("inet t", "inet again")
    rulesets.forget(first)


def test_a_context_in_use_is_not_closed_by_others(namespaces: tuple[str, ...]) -> None:
    rulesets = Rulesets(most_open=1)

    def load(name: str) -> None:
        for _ in range(30):
            rulesets.load(name, TABLE)

    threads = [threading.Thread(target=load, args=(name,)) for name in namespaces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in namespaces:
        assert nft.tables(name) == ("inet t",)
        rulesets.forget(name)
