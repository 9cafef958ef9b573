"""Connection tracking in a real kernel: entries are counted, and deleted with their machine."""

from __future__ import annotations

import errno
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.hub.findings import DamagedPart
from appliance.hub.kernel import namespace, netlink, routing, tracking
from appliance.hub.kernel.netlink import Message
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.names import Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.model.desired import Desired, Peer
from appliance.model.keys import new_key_pair
from appliance.model.policy import Action, Policy
from tests.appliance.hub.ruled import Kernel, members, state_of
from tests.appliance.hub.wire import NETWORK

FIRST, SECOND, THIRD = members(3)
_GET = 1  # IPCTNL_MSG_CT_GET


@pytest.fixture
def sockets(kernel: Kernel) -> Iterator[NetfilterSockets]:
    """Provides sockets for the namespace of the wire."""
    made = NetfilterSockets()
    yield made
    made.forget(kernel.wire.names.namespace)


@pytest.fixture
def open_wire(kernel: Kernel) -> Kernel:
    """Provides three machines that may open any connection."""
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.ALLOW)))
    return kernel


def openers(sockets: NetfilterSockets, kernel: Kernel) -> dict[IPv4Address, int]:
    """Counts the connections of each machine."""
    return dict(tracking.count_by_opener(sockets, kernel.wire.names.namespace))


def test_connections_are_counted_by_their_opener(open_wire: Kernel, sockets: NetfilterSockets) -> None:
    flows = [open_wire.new_flow(FIRST, SECOND, "udp", port) for port in range(300)]
    flows += [open_wire.new_flow(SECOND, THIRD, protocol, 22) for protocol in ("tcp", "icmp")]
    open_wire.wire.passing([flow.opening() for flow in flows])
    open_wire.wire.passes(flows[0].reply())
    assert openers(sockets, open_wire) == {FIRST.address: 300, SECOND.address: 2}


def test_denied_packets_leave_no_entry(open_wire: Kernel, sockets: NetfilterSockets) -> None:
    open_wire.load(state_of((FIRST, SECOND, THIRD), Policy(Action.DENY)))
    for protocol in ("tcp", "udp", "icmp"):
        open_wire.wire.passes(open_wire.new_flow(FIRST, SECOND, protocol, 22).opening())
    assert openers(sockets, open_wire) == {}


def test_forgetting_deletes_connections_from_and_to_an_address(open_wire: Kernel, sockets: NetfilterSockets) -> None:
    """Deletes all of them, however many there are, and no others."""
    pairs = ((FIRST, SECOND), (SECOND, FIRST), (THIRD, SECOND), (THIRD, FIRST))
    flows = [open_wire.new_flow(*pair, "udp", port) for pair in pairs for port in range(400)]
    open_wire.wire.passing([flow.opening() for flow in flows])
    tracking.forget(sockets, open_wire.wire.names.namespace, {FIRST.address})
    assert openers(sockets, open_wire) == {THIRD.address: 400}
    tracking.forget(sockets, open_wire.wire.names.namespace, {FIRST.address})
    assert openers(sockets, open_wire) == {THIRD.address: 400}


def peer(number: int) -> Peer:
    return Peer(f"m{number}", new_key_pair().public, IPv4Address("10.100.0.2") + number)


def open_something(names: Names, state: Desired) -> None:
    """Sends each of these machines a datagram from the hub, which opens a connection as well."""
    with (
        namespace.entered(names.of(state.organization).namespace),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
        for each in state.peers:
            try:
                sender.sendto(b"?", (str(each.address), 9))
            except OSError as error:
                # The kernel's WireGuard has no endpoint to send to; the connection was open before it was asked.
                if error.errno != errno.EDESTADDRREQ:
                    raise


def tracked(names: Names, state: Desired) -> set[str]:
    """Lists the machines to which connections are open."""
    sockets, name = NetfilterSockets(), names.of(state.organization).namespace
    entries = list(sockets.dump(name, Message(netlink.CONNTRACK | _GET, socket.AF_INET)))
    sockets.forget(name)
    return {str(each.address) for each in state.peers if any(each.address.packed in entry for entry in entries)}


def test_connections_opened_until_the_removal_are_deleted(plane: DataPlane, names: Names, desired: Desired) -> None:
    """A machine may open connections until the moment in which the change takes effect."""
    one, two = peer(0), peer(1)
    state = replace(desired, peers=(one, two))
    plane.apply(state)
    plane.apply(replace(state, peers=(two,)), lambda: open_something(names, state))
    assert tracked(names, state) == {str(two.address)}


def test_a_removed_machine_s_connections_are_deleted(plane: DataPlane, names: Names, desired: Desired) -> None:
    """Removes a machine, changes its address, and changes its key; connections of other machines stay."""
    one, two, three = peer(0), peer(1), peer(2)
    state = replace(desired, peers=(one, two, three))
    plane.apply(state)
    everybody = {str(each.address) for each in state.peers}
    for after, gone in (
        ((two, three), one),
        ((one, replace(two, address=IPv4Address("10.100.0.77")), three), two),
        ((one, two, replace(three, public_key=new_key_pair().public)), three),
    ):
        plane.apply(state)
        open_something(names, state)
        assert tracked(names, state) == everybody
        plane.apply(replace(state, peers=after))
        assert tracked(names, state) == everybody - {str(gone.address)}


def test_a_machine_removed_during_damage_loses_its_connections(
    plane: DataPlane, names: Names, desired: Desired
) -> None:
    one, two = peer(0), peer(1)
    state = replace(desired, peers=(one, two))
    plane.apply(state)
    open_something(names, state)
    subprocess.run(
        ["ip", "netns", "exec", names.of(state.organization).namespace, "nft", "flush", "ruleset"], check=True
    )
    plane.apply(replace(state, peers=(two,)))
    assert tracked(names, state) == {str(two.address)}


def test_entries_expire_soon_and_changed_timeouts_are_reset(open_wire: Kernel) -> None:
    """Keeps an idle connection for hours, not for days."""
    own = open_wire.wire.names
    established = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established")
    with namespace.entered(own.namespace):
        assert 2 * 3600 < int(established.read_text()) < 24 * 3600
        established.write_text("432000")
    (found,) = routing.mend(own, NETWORK)
    assert (found.part, "nf_conntrack_tcp_timeout_established was 432000" in found.what) == (DamagedPart.SETTING, True)
    assert routing.mend(own, NETWORK) == ()
