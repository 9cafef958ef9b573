"""Packets sent through a copy of the rules in an organization's namespace, to see which of them the kernel forwards.

The copy is a nameless namespace that ends with the measurement. Its one link is a TUN in the place of the
organization's own: what is written to it arrives as from a machine, and what is read from it would have gone to one. So
no machine, connection, counter or pace of the organization is touched, and the kernel itself judges.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from appliance.hub.errors import HubError, LinkError, reason
from appliance.hub.kernel import namespace, routing, table_copy
from appliance.hub.names import KernelNames
from appliance.hub.plane.packets import ECHO_REPLY, ECHO_REQUEST, echo, ip, with_checksum
from appliance.hub.wireguard import tun
from appliance.model.addresses import hub_address
from appliance.model.probes import MOST_RULE_BYTES, Probe, ProbeKind

# Less than a link's queue holds (txqueuelen).
_AT_ONCE = 100
_ANSWERED_S = 2.0
_LARGEST = 2048
_SYN = 0x02
_FIRST_OWN_PORT, _LAST_OWN_PORT = 1024, 65535
# Numbers for experiments (RFC 3692), one for each direction: such packets have no ports that tell a connection apart.
_EXPERIMENTS = (253, 254)
_NUMBERS = {
    ProbeKind.TCP: socket.IPPROTO_TCP,
    ProbeKind.UDP: socket.IPPROTO_UDP,
    ProbeKind.ICMP: socket.IPPROTO_ICMP,
}


def forwarded(
    names: KernelNames,
    network: IPv4Network,
    addresses: Mapping[str, IPv4Address],
    probes: Sequence[Probe],
    *,
    most_bytes: int = MOST_RULE_BYTES,
) -> list[bool]:
    """Tell for each probe whether the rules that are in force now forward it.

    Args:
        addresses: of the machines, by id.
        most_bytes: limit of the rules that are copied.

    Raises:
        RulesTooLarge: the rules are larger than `most_bytes`.
        HubError: the rules could not be read or copied, or the copy did not answer the pings of its hub address, by
            which it is known that what has not arrived was dropped.
    """
    copy = table_copy.read(names.namespace, most_bytes=most_bytes)
    packets = list(_packets(addresses, probes))

    def measure() -> list[bool]:
        with tun.made(names.link, tun.Format(information=False, offloads=False)) as link:
            # The rules are there before a packet can pass.
            copy.load()
            routing.mend_here(names.link, network)
            arrived: set[bytes] = set()
            for number in range(0, len(packets), _AT_ONCE):
                arrived |= _passed(link, hub_address(network), network[-2], packets[number : number + _AT_ONCE], number)
        return [_told_apart(packet) in arrived for packet in packets]

    try:
        return namespace.in_scratch(measure)
    except OSError as error:
        raise LinkError(f"a copy of the rules can't be measured: {reason(error)}") from error


def _passed(link: int, hub: IPv4Address, visitor: IPv4Address, packets: Sequence[bytes], number: int) -> set[bytes]:
    """Send packets, and return the parts that tell packets apart of all that arrives until the hub answers a ping.

    The kernel works a packet off before it takes the next one.
    """
    ping = ip(visitor, hub, socket.IPPROTO_ICMP, echo(ECHO_REQUEST, number, 1))
    answer = _told_apart(ip(hub, visitor, socket.IPPROTO_ICMP, echo(ECHO_REPLY, number, 1)))
    for packet in (*packets, ping):
        os.write(link, packet)
    arrived: set[bytes] = set()
    deadline = time.monotonic() + _ANSWERED_S
    # select(2) can't wait for the descriptors of a hub with many open files.
    arrivals = select.poll()
    arrivals.register(link, select.POLLIN)
    while arrivals.poll(1000 * max(0.0, deadline - time.monotonic())):
        found = _told_apart(os.read(link, _LARGEST))
        if found == answer:
            return arrived
        arrived.add(found)
    raise HubError("the copy of the rules did not answer a ping")


def _told_apart(packet: bytes) -> bytes:
    """Part of a packet that forwarding leaves as it is: addresses and content."""
    return packet[12:]


def _packets(addresses: Mapping[str, IPv4Address], probes: Sequence[Probe]) -> Iterator[bytes]:
    """Encode probes as packets of different connections, none of which looks like a reply in another one."""
    asked = {probe.port for probe in probes}
    own_ports = (port for port in range(_LAST_OWN_PORT, _FIRST_OWN_PORT, -1) if port not in asked)
    for number, probe in enumerate(probes, 1):
        ends = addresses[probe.source], addresses[probe.destination]
        if probe.kind is ProbeKind.OTHER:
            yield ip(*ends, _EXPERIMENTS[ends[0] < ends[1]], b"probe")
            continue
        body = _ENCODED[probe.kind](ends, number if probe.kind is ProbeKind.ICMP else next(own_ports), probe.port)
        yield ip(*ends, _NUMBERS[probe.kind], body)


_Ends = tuple[IPv4Address, IPv4Address]


def _tcp(ends: _Ends, own_port: int, port: int) -> bytes:
    """Encode a request for a connection. Source: RFC 9293, section 3.1."""
    body = struct.pack("!HHIIBBHHH", own_port, port, 1, 0, 0x50, _SYN, 1024, 0, 0)
    return _with_checksum(ends, socket.IPPROTO_TCP, body, 16)


def _udp(ends: _Ends, own_port: int, port: int) -> bytes:
    """Encode a datagram. Source: RFC 768."""
    return _with_checksum(ends, socket.IPPROTO_UDP, struct.pack("!HHHH", own_port, port, 8, 0), 6)


def _with_checksum(ends: _Ends, protocol: int, body: bytes, at: int) -> bytes:
    pseudo = ends[0].packed + ends[1].packed + struct.pack("!BBH", 0, protocol, len(body))
    return with_checksum(body, at, pseudo)


_ENCODED: Mapping[ProbeKind, Callable[[_Ends, int, int], bytes]] = {
    ProbeKind.TCP: _tcp,
    ProbeKind.UDP: _udp,
    ProbeKind.ICMP: lambda _ends, number, _port: echo(ECHO_REQUEST, number, 1),
}
