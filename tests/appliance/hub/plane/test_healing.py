"""Damage to a real kernel's objects is repaired without a request."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

import netlab
from appliance.hub.findings import DamagedPart, Repair
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.names import Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.healing import Healer, Sweep
from appliance.hub.ruleset import ALLOWED_MARK, TABLE
from appliance.hub.wireguard import Backend, processes
from appliance.model.desired import Desired
from appliance.model.keys import new_key_pair
from harness.world import damage
from tests.appliance.hub.observed import seen, shell
from tests.waiting import wait_until

KINDS = (*damage.RULES, *damage.ROUTES, *damage.LINK, *damage.NAMES, *damage.MACHINES, *damage.PROCESSES)

# To the names of all namespaces, which a host may share with others.
_ALL_NAMES = (
    damage.Damage("the folder of all names is unmounted", "umount --lazy /run/netns", cuts=False),
    # It stays for the tests that come after, and is nobody else's to write to.
    damage.Damage("the folder of all names is mounted over", "mount -t tmpfs -o mode=755 none /run/netns", cuts=False),
)


@pytest.fixture
def deadline_s(pytestconfig: pytest.Config) -> float:
    """Returns the longest time until a repair; damage without an event waits for the sweep."""
    return 10.0 * float(pytestconfig.getoption("--patience"))


@pytest.fixture
def repairs() -> list[Repair]:
    """Lists the repairs that were made."""
    return []


@pytest.fixture
def looking() -> threading.Lock:
    """Provides the lock that is held during each check of an organization."""
    return threading.Lock()


@pytest.fixture
def apply_damage(
    looking: threading.Lock, names: Names, state: Desired, tmp_path: Path
) -> Callable[[damage.Damage], None]:
    """Applies damage as one step: a check in the middle of a command would undo its first part."""
    own, (first, second) = names.of(state.organization), state.peers
    variables = {
        "NS": own.namespace,
        "LINK": own.link,
        "TABLE": TABLE,
        "GATE": "gate",
        "MARK": str(ALLOWED_MARK),
        "ROUTES": "100",
        "NETWORK": str(state.network),
        "KEY": first.public_key,
        "ADDRESS": str(first.address),
        "OTHER_KEY": second.public_key,
        "OTHER_ADDRESS": str(second.address),
        "STRANGER": new_key_pair().public,
        "NEW_KEY": new_key_pair().private,
        "FOLDER": str(tmp_path),
    }

    def apply(kind: damage.Damage) -> None:
        process = str(processes.by_link().get(own.link, ""))
        with looking:
            shell(kind.command, {**variables, "WIREGUARD": process})

    return apply


@pytest.fixture
def healed(make_plane: Callable[..., DataPlane], repairs: list[Repair], looking: threading.Lock) -> Iterator[DataPlane]:
    """Provides a data plane with healing."""
    with looked_after(make_plane, repairs, looking, lambda plane: plane.wanted) as plane:
        yield plane


@pytest.fixture
def told(make_plane: Callable[..., DataPlane], repairs: list[Repair], looking: threading.Lock) -> Iterator[DataPlane]:
    """Provides a data plane that is checked when an event reports a change, and at no other time."""
    with looked_after(make_plane, repairs, looking, lambda _plane: tuple) as plane:
        yield plane


@contextmanager
def looked_after(
    make_plane: Callable[..., DataPlane],
    repairs: list[Repair],
    looking: threading.Lock,
    sweep_of: Callable[[DataPlane], Sweep],
) -> Iterator[DataPlane]:
    """Runs a healer over a data plane."""
    known: list[Healer] = []
    plane = make_plane(on_event=lambda organization, change: known[0].notice(organization, change))

    def look(organization: str, event: NamespaceEvent) -> Repair | None:
        with looking:
            return plane.heal(organization, event)

    healer = Healer(look, sweep_of(plane), repairs.append, shortest_round_s=0.2)
    known.append(healer)
    healer.start()
    yield plane
    healer.stop()


@pytest.mark.parametrize("kind", [*KINDS, *damage.FORCED_OPEN], ids=str)
def test_damage_is_repaired(
    healed: DataPlane,
    repairs: list[Repair],
    names: Names,
    backend: Backend,
    state: Desired,
    apply_damage: Callable[[damage.Damage], None],
    deadline_s: float,
    kind: damage.Damage,
) -> None:
    if backend.name == "kernel" and kind.needs_process:
        pytest.skip("the kernel's WireGuard has no process")
    healed.apply(state)
    own = names.of(state.organization)
    before = seen(names, backend, state)
    apply_damage(kind)
    is_repaired = netlab.wait_until(lambda: repairs and seen(names, backend, state) == before, deadline_s)
    assert is_repaired, f"{len(repairs)} repairs, and then:\n{seen(names, backend, state)}"
    assert {repair.organization for repair in repairs} == {state.organization}
    # Whatever was broken, a save meets a data plane that takes it.
    healed.apply(replace(state, peers=state.peers[:1]))
    assert set(backend.allowed(own, state.hub_public_key, state.port) or ()) == {state.peers[0].public_key}


@pytest.mark.parametrize("kind", [*damage.NAMES, *_ALL_NAMES], ids=str)
def test_a_lost_name_causes_an_event(
    told: DataPlane,
    repairs: list[Repair],
    names: Names,
    backend: Backend,
    state: Desired,
    apply_damage: Callable[[damage.Damage], None],
    kind: damage.Damage,
) -> None:
    """Removes the name, for which there is no netlink message and no sweep."""
    told.apply(state)
    before = seen(names, backend, state)
    for _ in range(2):
        repairs.clear()
        apply_damage(kind)
        wait_until(lambda: bool(repairs) and seen(names, backend, state) == before)
        assert {finding.part for repair in repairs for finding in repair.found} == {DamagedPart.NAMESPACE}


@pytest.mark.parametrize("kind", [each for each in KINDS if each.detection is damage.Detection.EVENT], ids=str)
def test_damage_said_to_cause_an_event_is_repaired_by_it(
    told: DataPlane,
    names: Names,
    backend: Backend,
    state: Desired,
    apply_damage: Callable[[damage.Damage], None],
    kind: damage.Damage,
) -> None:
    """Does damage to a plane without a sweep. What causes no event takes a round of it, longer the more there is."""
    if backend.name == "kernel" and kind.needs_process:
        pytest.skip("the kernel's WireGuard has no process")
    told.apply(state)
    before = seen(names, backend, state)
    apply_damage(kind)
    wait_until(lambda: seen(names, backend, state) == before)


def test_a_failed_repair_is_tried_again(
    healed: DataPlane, repairs: list[Repair], names: Names, backend: Backend, state: Desired, deadline_s: float
) -> None:
    """Takes the organization's port with another socket for a while."""
    if backend.name == "kernel":
        pytest.skip("the kernel's sockets can't be taken by a process that is asked to")
    healed.apply(state)
    link = names.of(state.organization).link
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:

        def takes_the_port() -> bool:
            with suppress(OSError):
                other.bind(("", state.port))
            return bool(other.getsockname()[1] == state.port)

        os.kill(processes.by_link()[link], signal.SIGKILL)
        assert netlab.wait_until(takes_the_port, deadline_s, 0.0)
        assert netlab.wait_until(lambda: not healed.organizations(), deadline_s)
    assert netlab.wait_until(lambda: repairs, deadline_s)
    assert healed.organizations() == (state.organization,)
    assert DamagedPart.LINK in {finding.part for repair in repairs for finding in repair.found}
