"""Real packets for one packet and its state: what opens the connection, what answers, and the packet itself.

What the proof does not look at has ordinary values. The port numbers of an ICMP connection are those that connection
tracking keeps for it: the identifier, and type and code of what opens it (`nf_conntrack_proto_icmp.c`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Packet, Raw
from scapy.utils import checksum

from harness.proof import fields
from harness.proof.choice import Unreachable, is_ordinary
from harness.proof.fields import ABOUT_ORIGINAL, ICMP, RELATED, Flow, Variable
from harness.proof.intervals import Interval

Values = Mapping[Variable, int]
"""Value of each variable of one packet."""

_ECHO = 8
_NO_OPERATION = b"\x01"
_WRONG = 0x5555


@dataclass(frozen=True)
class Step:
    """A packet to be sent.

    Attributes:
        says: its part in words.
        by_host: the host itself sends it, since it discards what comes from outside with this source.
        is_history: it brings the state about in which the next one is.
    """

    packet: bytes
    says: str
    by_host: bool = False
    is_history: bool = True


def flow_of(values: Values) -> Flow:
    """Relation of a packet to its connection."""
    return Flow(values[Variable.FLOW])


def history(values: Values, number: int, own: Sequence[Interval]) -> Iterator[Step]:
    """Yields the packets that bring a connection into the state that a packet meets.

    Args:
        number: IP identification of each.
        own: the host's own addresses.
    """
    flow = flow_of(values)
    if flow in (Flow.NEW, Flow.INVALID, Flow.UNTRACKED, Flow.UNTRACKED_LATE):
        return
    source, destination = values[Variable.SOURCE], values[Variable.DESTINATION]
    # The kernel discards what comes from outside with such addresses.
    is_own = any(first <= source <= last for first, last in own)
    by_host = is_own or not (is_ordinary(source) and is_ordinary(destination))
    yield Step(_opening(values, number), "what opens the connection", by_host=by_host)
    if flow not in (Flow.NEW_CONFIRMED, Flow.REPLY):
        yield Step(_answer(values, number), "the answer")


def packet_of(values: Values, number: int) -> bytes:
    """Builds the packet.

    Args:
        number: IP identification, by which rules tell the packet from others.

    Raises:
        Unreachable: no packet is in this state.
    """
    flow = flow_of(values)
    if flow in RELATED:
        return _error(values, number)
    if flow is Flow.REPLY:
        return _answer(values, number)
    if flow is Flow.ORIGINAL:
        return _forth(values, number, flags="A", sequence=2, acknowledged=2)
    if flow in (Flow.INVALID, Flow.UNTRACKED_LATE):
        # What marks it as untracked comes after connection tracking.
        return _with_wrong_checksum(_opening(values, number))
    return _opening(values, number)


def _opening(values: Values, number: int) -> bytes:
    return _forth(values, number, flags="S", sequence=1)


def _forth(values: Values, number: int, *, flags: str, sequence: int, acknowledged: int = 0) -> bytes:
    ports = values[Variable.SOURCE_PORT], values[Variable.DESTINATION_PORT]
    inner = _transport(values, ports, opening_kind(values), flags, sequence, acknowledged)
    ends = values[Variable.SOURCE], values[Variable.DESTINATION]
    return _ip(*ends, values[Variable.PROTOCOL], number, inner)


def _answer(values: Values, number: int) -> bytes:
    ports = values[Variable.DESTINATION_PORT], values[Variable.SOURCE_PORT]
    kind, code = opening_kind(values)
    inner = _transport(values, ports, (fields.ANSWERS.get(kind, kind), code), "SA", 1, 2)
    ends = values[Variable.DESTINATION], values[Variable.SOURCE]
    return _ip(*ends, values[Variable.PROTOCOL], number, inner)


def opening_kind(values: Values) -> tuple[int, int]:
    """Type and code of ICMP's packet that opens the connection."""
    flow, kind, code = flow_of(values), values[Variable.TYPE], values[Variable.CODE]
    if flow is Flow.REPLY:
        return next((each for each, answer in fields.ANSWERS.items() if answer == kind), _ECHO), code
    if flow in RELATED:
        kind, code = divmod(values[Variable.DESTINATION_PORT], 256)
        return (kind, code) if kind in fields.REQUESTS else (_ECHO, 0)
    return kind, code


def _transport(
    values: Values, ports: tuple[int, int], kind: tuple[int, int], flags: str, sequence: int, acknowledged: int
) -> Packet:
    protocol = values[Variable.PROTOCOL]
    if protocol == fields.TCP:
        return TCP(sport=ports[0], dport=ports[1], flags=flags, seq=sequence, ack=acknowledged)
    if protocol == fields.UDP:
        return UDP(sport=ports[0], dport=ports[1]) / Raw(b"test")
    if protocol == ICMP:
        return Raw(_icmp(kind, struct.pack("!HH", values[Variable.SOURCE_PORT], 1) + bytes(12)))
    return Raw(bytes(12))


def _error(values: Values, number: int) -> bytes:
    flow, quoted = flow_of(values), values[Variable.QUOTED]
    words = quoted & 0xF
    if words < 5:
        raise Unreachable("an error that quotes a header of fewer than 20 bytes belongs to no connection")
    inner = _opening(values, 0) if flow in ABOUT_ORIGINAL else _answer(values, 0)
    quote = bytes([quoted]) + inner[1:20] + _NO_OPERATION * (4 * (words - 5)) + inner[20:]
    source, destination = (values[each] for each in fields.addresses(flow))
    body = _icmp((values[Variable.TYPE], values[Variable.CODE]), bytes(4) + quote)
    return _ip(source, destination, ICMP, number, Raw(body))


def _icmp(kind: tuple[int, int], rest: bytes) -> bytes:
    return bytes(kind) + struct.pack("!H", checksum(bytes([*kind, 0, 0]) + rest)) + rest


def _ip(source: int, destination: int, protocol: int, number: int, inner: Packet) -> bytes:
    header = IP(src=str(IPv4Address(source)), dst=str(IPv4Address(destination)), proto=protocol, id=number)
    return bytes(header / inner)


_CHECKSUMS = {fields.TCP: 16, fields.UDP: 6, ICMP: 2}


def _with_wrong_checksum(packet: bytes) -> bytes:
    """A packet that connection tracking takes for none because of its checksum (`nf_checksum`)."""
    if packet[9] not in _CHECKSUMS:
        # An ICMPv6 message of type 0 opens no connection (nf_conntrack_proto_icmpv6.c); it is sent as it is.
        return packet
    at = 20 + _CHECKSUMS[packet[9]]
    (right,) = struct.unpack_from("!H", packet, at)
    # UDP's checksum 0 is none at all.
    wrong = right ^ _WRONG or 1
    return packet[:at] + struct.pack("!H", wrong) + packet[at + 2 :]
