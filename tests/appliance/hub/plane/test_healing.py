"""Damage to a real kernel's objects is repaired without a request."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import netlab
from appliance.hub.errors import LinkError
from appliance.hub.findings import Damage, DamagedPart, Repair
from appliance.hub.kernel import routing
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.healing import Healer, Sweep
from appliance.hub.ruleset import ALLOWED_MARK, TABLE
from appliance.hub.wireguard import Backend, processes
from appliance.model.desired import Desired, Peer
from appliance.model.keys import new_key_pair
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule
from appliance.model.port_ranges import parse_ports
from harness.world import damage
from tests.waiting import wait_until

SETTINGS = ("net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.send_redirects")
POLICY = Policy(Action.ALLOW, (Rule("x", Action.DENY, ANYONE, ANYONE, Protocol.TCP, parse_ports("22")),))

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


@pytest.fixture
def state(desired: Desired) -> Desired:
    """Provides the state of an organization with two machines and a rule."""
    machines = tuple(Peer(f"m{n}", new_key_pair().public, IPv4Address("10.100.0.2") + n) for n in range(2))
    return replace(desired, peers=machines, policy=POLICY)


class CommandFailed(Exception):
    """Failure of a command, with its output."""


def shell(text: str, variables: Mapping[str, str] = MappingProxyType({})) -> str:
    done = subprocess.run(
        ["sh", "-c", text],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **variables},
    )
    if done.returncode != 0:
        raise CommandFailed(f"{text}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def seen(names: Names, backend: Backend, state: Desired) -> str:
    """Reads everything that the host's own tools show of the organization."""
    own = names.of(state.organization)
    commands = [
        f"ip -n {own.namespace} -o addr | sed 's/^[0-9]*//'",
        # The kernel numbers links as they come.
        f"ip -n {own.namespace} -o link | sed 's/^[0-9]*//; s/ qlen.*//; s/<.*UP.*>/up/'",
        f"ip -n {own.namespace} route show table all",
        f"ip -n {own.namespace} rule",
        f"ip netns exec {own.namespace} sysctl {' '.join(SETTINGS)}",
        f"ip netns exec {own.namespace} nft --stateless list ruleset",
    ]
    try:
        allowed = str(sorted(backend.allowed(own).items()))
        ready = backend.is_ready(own, state.hub_public_key, state.port)
        return "\n".join([shell("\n".join(["set -e", *commands])), allowed, str(ready)])
    except (CommandFailed, LinkError) as error:
        return str(error)


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
    assert set(backend.allowed(own)) == {state.peers[0].public_key}


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


def test_a_save_after_damage_is_enforced(plane: DataPlane, names: Names, state: Desired) -> None:
    """Damages a plane without healing: the save itself has to notice."""
    plane.apply(state)
    own = names.of(state.organization)
    shell(f"ip netns exec {own.namespace} nft flush ruleset; ip -n {own.namespace} link del {own.link}")
    plane.apply(replace(state, peers=state.peers[:1], policy=Policy(Action.DENY)))
    assert plane.heal(state.organization) is None
    assert "goto clear" not in shell(f"ip netns exec {own.namespace} nft list chain inet mesh judge")


def test_a_namespace_replaced_during_a_check_is_repaired(
    plane: DataPlane, names: Names, backend: Backend, state: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaces the namespace between the steps of a check."""
    plane.apply(state)
    before = seen(names, backend, state)
    place = names.of(state.organization).namespace
    look = routing.remove_strangers

    def replaced(own: KernelNames) -> tuple[Damage, ...]:
        monkeypatch.setattr(routing, "remove_strangers", look)
        shell(f"ip netns del {place}; ip netns add {place}")
        return look(own)

    monkeypatch.setattr(routing, "remove_strangers", replaced)
    repair = plane.heal(state.organization)
    assert repair is not None
    assert seen(names, backend, state) == before
    # It is in the namespace that is the organization's still, and has its port: another one could not be made.
    assert DamagedPart.LINK not in {finding.part for finding in repair.found}


def test_a_machine_added_again_has_its_endpoint_at_once(
    plane: DataPlane, names: Names, backend: Backend, state: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sends packets meanwhile: without an endpoint, WireGuard would wait five seconds for the next handshake."""
    own = names.of(state.organization)
    plane.restore(state, {state.peers[0].public_key: "192.0.2.77:40404"})
    shell(f"ip netns exec {own.namespace} wg set {own.link} peer {state.peers[0].public_key} remove")
    monkeypatch.setattr(type(backend), "start_handshakes", lambda *_: None)
    assert plane.heal(state.organization) is not None
    assert {status.endpoint for status in backend.peers(own)} == {"192.0.2.77:40404", ""}


def test_only_handshakes_that_may_be_lost_are_begun_again(
    plane: DataPlane, backend: Backend, state: Desired, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaves the others alone: a new handshake ends one in progress, and machines refuse two close together."""
    first, second = (peer.public_key for peer in state.peers)
    before = time.monotonic()
    plane.restore(state, {first: "192.0.2.77:40404"})
    changed: list[set[str]] = []
    change = type(backend).change

    def noted(
        self: Any, own: KernelNames, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str]
    ) -> None:
        changed.append(set(remove))
        change(self, own, add, remove, endpoints)

    monkeypatch.setattr(type(backend), "change", noted)
    plane.call_machines(state.organization, before)
    assert changed == []
    until = time.monotonic()
    for _ in range(2):
        plane.call_machines(state.organization, until)
        # Of the other one nobody knows where it is.
        assert changed == [{first}]
    assert {each.public_key: each.endpoint for each in plane.peers(state.organization)} == {
        first: "192.0.2.77:40404",
        second: "",
    }


def test_an_intact_organization_is_left_alone(plane: DataPlane, repairs: list[Repair], state: Desired) -> None:
    plane.apply(state)
    for _ in range(3):
        plane.apply(replace(state, policy=Policy(Action.DENY)))
        plane.apply(state)
        assert plane.heal(state.organization, NamespaceEvent.RULES) is None
        assert plane.heal(state.organization) is None
    assert repairs == []


def test_a_restarted_hub_finds_damage_made_while_it_was_down(
    make_plane: Callable[..., DataPlane], names: Names, state: Desired
) -> None:
    make_plane().apply(state)
    own = names.of(state.organization)
    listing = shell(f"ip netns exec {own.namespace} nft list ruleset")
    shell(f"ip netns exec {own.namespace} nft insert rule inet mesh gate meta mark set 1 accept")
    make_plane().restore(state, {})
    assert shell(f"ip netns exec {own.namespace} nft list ruleset") == listing


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
