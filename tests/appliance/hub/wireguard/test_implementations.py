"""Each WireGuard implementation on this host, with a stock client; the summary lists the missing ones."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

import netlab
from appliance.hub.errors import HubError
from appliance.hub.front_door import DoorRepair, FrontDoor
from appliance.hub.kernel.events import Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.pings import Pings
from appliance.hub.wireguard import Backend, choose
from appliance.model.desired import Desired, Peer, PeerStatus
from appliance.model.keys import KeyPair, new_key_pair
from appliance.model.policy import Action, Policy
from netlab import Host, Lab, wg_quick
from tests.waiting import wait_until

HUB, HUB_INSIDE = "192.0.2.1", "10.100.0.1"
# Less than WireGuard's own timers take to notice (15 s), and time enough for an emulated machine.
SOON = 8.0
INITIATION_BYTES = 148


@pytest.fixture(params=["kernel", "wireguard-go", "boringtun"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Provides each backend in turn."""
    try:
        return choose(request.param)
    except HubError as error:
        pytest.skip(str(error))


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Provides an internet with the hub on it, which is this network namespace."""
    with Lab() as made:
        made.connect_here(made.switch("internet"), f"{HUB}/24")
        yield made


class Machines:
    """Two machines of one organization, connected with stock clients.

    Attributes:
        port: of the hub that their configurations name.
    """

    def __init__(self, lab: Lab, desired: Desired) -> None:
        self.keys = (new_key_pair(), new_key_pair())
        peers = tuple(
            Peer(f"m{number}", keys.public, IPv4Address("10.100.0.2") + number) for number, keys in enumerate(self.keys)
        )
        self.state = replace(desired, peers=peers)
        self.port = desired.port
        self._lab = lab

    def connect(self) -> tuple[Host, ...]:
        """Brings both machines up."""
        return tuple(self._connect(number, keys) for number, keys in enumerate(self.keys))

    def _connect(self, number: int, keys: KeyPair) -> Host:
        host = self._lab.host(f"m{number}")
        self._lab.connect(host, self._lab.switches["internet"], f"192.0.2.{11 + number}/24")
        wg_quick(
            host,
            f"[Interface]\nPrivateKey = {keys.private}\nAddress = {self.state.peers[number].address}/16\nMTU = 1420\n"
            f"[Peer]\nPublicKey = {self.state.hub_public_key}\nEndpoint = {HUB}:{self.port}\n"
            "AllowedIPs = 10.100.0.0/16\nPersistentKeepalive = 25\n",
        )
        return host


@pytest.fixture
def machines(lab: Lab, desired: Desired) -> Machines:
    """Provides two machines that are not connected yet."""
    return Machines(lab, desired)


def endpoints(host: Host) -> str:
    """Returns the endpoint that a machine sends to."""
    return host.run("wg", "show", "all", "endpoints").stdout


def initiations(host: Host) -> int:
    """Returns the number of handshake initiations that the machine has dropped."""
    (told,) = re.findall(r"counter packets (\d+)", host.run("nft", "list chain ip deaf in").stdout)
    return int(told)


def statuses(plane: DataPlane, organization: str) -> dict[str, PeerStatus]:
    return {status.public_key: status for status in plane.peers(organization)}


def is_back(host: Host) -> bool:
    """Pings until an answer comes: a packet that leaves before the new session is lost with the old one."""
    return netlab.wait_until(lambda: bool(host.ping(HUB_INSIDE, timeout=0.2)), SOON)


def test_machines_connect_and_are_listed(plane: DataPlane, backend: Backend, machines: Machines) -> None:
    state = machines.state
    started = int(time.time())
    plane.apply(state)
    first, second = machines.connect()
    assert first.ping(HUB_INSIDE, timeout=SOON)
    assert second.ping(str(state.peers[0].address), timeout=SOON)
    told = statuses(plane, state.organization)
    for number, keys in enumerate(machines.keys):
        status = told[keys.public]
        assert started <= status.last_handshake <= time.time()
        assert status.endpoint.startswith(f"192.0.2.{11 + number}:")
        assert min(status.received_bytes, status.sent_bytes) > 0
    assert any(character.isdigit() for character in backend.version)


def test_the_hub_pings_a_machine_whatever_the_policy_says(plane: DataPlane, names: Names, machines: Machines) -> None:
    state = machines.state
    plane.apply(replace(state, policy=Policy(Action.DENY)))
    pings = Pings(names, plane.state, plane.peers)
    assert pings.ping(state.organization, "m0") is None, "it has never been heard from"
    first, second = machines.connect()
    assert first.ping(HUB_INSIDE, timeout=SOON)
    milliseconds = pings.ping(state.organization, "m0")
    assert milliseconds is not None
    assert 0 < milliseconds < 2000
    first.run("nft", "add table ip mute; add chain ip mute in { type filter hook input priority 0; }")
    first.run("nft", "add rule ip mute in icmp type echo-request drop")
    assert pings.ping(state.organization, "m0") is None
    assert second.ping(HUB_INSIDE, timeout=SOON)
    assert not second.ping(str(state.peers[0].address), timeout=0.3), "the policy stands"
    assert pings.figures() == {"answered": 1, "silent": 2, "refused": 0, "failed": 0}


def test_a_changed_address_interrupts_no_other_machine(
    plane: DataPlane, names: Names, backend: Backend, machines: Machines
) -> None:
    state = machines.state
    plane.apply(state)
    first, second = machines.connect()
    assert first.ping(HUB_INSIDE, timeout=SOON)
    assert second.ping(HUB_INSIDE, timeout=SOON)
    handshake = statuses(plane, state.organization)[machines.keys[0].public].last_handshake
    moved = replace(state.peers[1], address=IPv4Address("10.100.0.9"))
    plane.apply(replace(state, peers=(state.peers[0], moved)))
    own = names.of(state.organization)
    assert backend.allowed(own, state.hub_public_key, state.port) == {
        machines.keys[0].public: ("10.100.0.2/32",),
        machines.keys[1].public: ("10.100.0.9/32",),
    }
    assert first.ping(HUB_INSIDE, timeout=SOON)
    # boringtun tells the age in whole seconds.
    assert abs(statuses(plane, state.organization)[machines.keys[0].public].last_handshake - handshake) <= 1
    assert not second.ping(HUB_INSIDE, timeout=0.3)


def test_machines_of_a_recreated_link_are_back_soon(
    plane: DataPlane, names: Names, backend: Backend, machines: Machines
) -> None:
    state = machines.state
    plane.apply(state)
    hosts = machines.connect()
    for host in hosts:
        assert host.ping(HUB_INSIDE, timeout=SOON)
    plane.note_endpoints(state.organization)
    backend.remove(names.of(state.organization))
    assert plane.heal(state.organization) is not None
    start = time.monotonic()
    # Asked without a packet of theirs: a machine that has something to send would start a handshake itself, later.
    while not all(status.last_handshake for status in statuses(plane, state.organization).values()):
        assert time.monotonic() < start + SOON
        time.sleep(0.01)
    assert all(map(is_back, hosts))


def test_a_machine_with_a_wrong_endpoint_of_the_hub_is_called(
    plane: DataPlane, names: Names, machines: Machines
) -> None:
    """Answers a handshake by a path that is closed again, after which WireGuard sends the machine nothing by itself."""
    state = machines.state
    machines.port = state.port + 1
    plane.apply(state)
    with closing(FrontDoor(names, machines.port)) as door:
        door.open()
        try:
            door.admit(state.organization, state.hub_public_key, state.port, len(state.peers))
            door.settle()
            subprocess.run(["nft", "flush", "chain", "inet", names.door, "answer"], check=True)
            astray, _ = machines.connect()
            wait_until(lambda: f"{HUB}:{state.port}" in endpoints(astray))
            assert door.restore() is DoorRepair.IN_PLACE
            assert not astray.ping(HUB_INSIDE, timeout=0.5)
            plane.call_machines(state.organization, time.monotonic())
            wait_until(lambda: f"{HUB}:{machines.port}" in endpoints(astray))
            assert is_back(astray)
        finally:
            door.remove()


@pytest.mark.parametrize("backend", ["kernel", "wireguard-go"], indirect=True)
def test_the_next_call_restarts_an_unanswered_handshake(
    plane: DataPlane, names: Names, backend: Backend, machines: Machines
) -> None:
    """Calls within the five seconds after which WireGuard repeats it by itself."""
    state = machines.state
    plane.apply(state)
    host, _ = machines.connect()
    assert host.ping(HUB_INSIDE, timeout=SOON)
    plane.note_endpoints(state.organization)
    host.run("nft", "add table ip deaf; add chain ip deaf in { type filter hook input priority 0; }")
    host.run("nft", f"add rule ip deaf in ip saddr {HUB} udp length 156 counter drop")
    backend.remove(names.of(state.organization))
    assert plane.heal(state.organization) is not None
    wait_until(lambda: initiations(host) >= 1)
    key, repaired = machines.keys[0].public, time.monotonic()
    for _ in range(2):
        before = initiations(host)
        plane.call_machines(state.organization, repaired)
        wait_until(lambda before=before: initiations(host) > before)  # type: ignore[misc]
        assert statuses(plane, state.organization)[key].sent_bytes == INITIATION_BYTES
        time.sleep(0.5)
    host.run("nft", "delete table ip deaf")
    plane.call_machines(state.organization, repaired)
    wait_until(lambda: statuses(plane, state.organization)[key].last_handshake > 0)


def test_a_call_reaches_machines_by_their_session(plane: DataPlane, machines: Machines) -> None:
    state = machines.state
    plane.apply(state)
    hosts = machines.connect()
    for host in hosts:
        assert host.ping(HUB_INSIDE, timeout=SOON)
    before = statuses(plane, state.organization)
    plane.call_machines(state.organization, time.monotonic())
    wait_until(
        lambda: all(
            each.sent_bytes > before[key].sent_bytes for key, each in statuses(plane, state.organization).items()
        )
    )
    for key, each in statuses(plane, state.organization).items():
        assert each.received_bytes >= before[key].received_bytes
        # boringtun tells the age in whole seconds.
        assert abs(each.last_handshake - before[key].last_handshake) <= 1


def test_a_machine_that_is_enabled_again_is_called(plane: DataPlane, machines: Machines) -> None:
    """Keeps the machine's session, which the hub forgot and only WireGuard's own timers would end."""
    state = machines.state
    plane.apply(state)
    first, _ = machines.connect()
    assert first.ping(HUB_INSIDE, timeout=SOON)
    plane.note_endpoints(state.organization)
    key = machines.keys[0].public
    plane.apply(replace(state, peers=tuple(peer for peer in state.peers if peer.public_key != key)))
    plane.note_endpoints(state.organization)
    plane.apply(state)
    wait_until(lambda: statuses(plane, state.organization)[key].last_handshake > 0)


def test_restoring_a_lost_machine_interrupts_no_other(
    plane: DataPlane, names: Names, backend: Backend, machines: Machines
) -> None:
    state = machines.state
    plane.apply(state)
    first, second = machines.connect()
    assert first.ping(HUB_INSIDE, timeout=SOON)
    assert second.ping(HUB_INSIDE, timeout=SOON)
    plane.note_endpoints(state.organization)
    backend.change(names.of(state.organization), add=(), remove=[machines.keys[1].public])
    received = statuses(plane, state.organization)[machines.keys[0].public].received_bytes
    assert plane.heal(state.organization) is not None
    # Its session is the one that it had.
    assert statuses(plane, state.organization)[machines.keys[0].public].received_bytes >= received > 0
    assert is_back(second)
    assert first.ping(HUB_INSIDE, timeout=SOON)


def test_a_later_hub_adopts_the_link(
    names: Names, backend: Backend, machines: Machines, keys: dict[str, str], ledger: Ledger
) -> None:
    state = machines.state
    with ExitStack() as stack:
        opened: list[str] = []

        def open_key(desired: Desired) -> str:
            opened.append(desired.organization)
            return keys[desired.organization]

        watchers = [stack.enter_context(closing(Watcher(lambda _organization, _change: None))) for _ in range(2)]
        planes = [DataPlane(names, backend, open_key, ledger, watcher) for watcher in watchers]
        stack.callback(planes[1].remove, state.organization)
        planes[0].apply(state)
        first, _ = machines.connect()
        assert first.ping(HUB_INSIDE, timeout=SOON)
        process = backend.process(names.of(state.organization))
        planes[1].restore(state, {})
        assert backend.process(names.of(state.organization)) == process
        assert first.ping(HUB_INSIDE, timeout=SOON)
        # The key was needed to make the link, and not to find that it is the right one.
        assert opened == [state.organization]
