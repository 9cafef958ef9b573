"""Packets that a test can bring about, which are the better counterexamples.

A proof is about all packets; this says nothing about them. Of those that contradict a claim, one that can be sent is
shown, if there is one.
"""

from __future__ import annotations

import z3

from harness.proof.bitvectors.logic import Condition, both, either, is_one_of, lies_in, opposite
from harness.proof.bitvectors.packet import ICMP, Packet
from harness.proof.literals import PROTOCOLS
from harness.proof.routing import RESERVED

_TCP, _UDP = PROTOCOLS["tcp"], PROTOCOLS["udp"]
_ANSWERS = {8: 0, 13: 14, 15: 16, 17: 18}
_DEMANDING = (33, 58, 132, 136)
"""Protocols whose packets connection tracking looks at closely: DCCP, ICMPv6, SCTP, UDP-Lite."""
_LEAST_WORDS = 5


def can_be_sent(packet: Packet, not_tracked: Condition) -> Condition:
    """The condition under which a packet can be sent in its state.

    Args:
        not_tracked: it is kept from connection tracking.
    """
    connection, original = packet.connection, packet.connection.original
    connected = opposite(connection.is_in("invalid"))
    has_ports = is_one_of(original.protocol, (_TCP, _UDP))
    no_ports = both(original.source_port == 0, original.destination_port == 0)
    others = both(opposite(is_one_of(original.protocol, (*_DEMANDING, ICMP))), no_ports)
    of_protocol = either((has_ports, both(original.protocol == ICMP, _fits_icmp(packet)), others))
    whole = z3.UGE(packet.quoted_version & 0xF, _LEAST_WORDS)
    rejected = is_one_of(packet.protocol, (_TCP, _UDP, ICMP))
    groups = (each.destination for each in RESERVED if len(each.ways) > 1)
    return both(
        # What becomes of packets to groups of hosts is not read back.
        opposite(either(lies_in(packet.destination, group) for group in groups)),
        # The kernel puts the host's own address in place of the source 0.0.0.0.
        z3.Implies(connected, both(of_protocol, original.source != original.destination, original.source != 0)),
        z3.Implies(connection.is_in("related"), whole),
        z3.Implies(opposite(either((connected, not_tracked))), rejected),
    )


def _fits_icmp(packet: Packet) -> Condition:
    """True if the port of a connection of ICMP is type and code of what opened it."""
    connection = packet.connection
    port = connection.original.destination_port
    kind, code = z3.Extract(15, 8, port), z3.Extract(7, 0, port)
    is_own = connection.is_in("new", "established")
    return either(
        both(
            kind == request,
            z3.Implies(is_own, both(packet.code == code, packet.kind == z3.If(connection.is_reply, answer, kind))),
        )
        for request, answer in ((each, z3.BitVecVal(answer, 8)) for each, answer in _ANSWERS.items())
    )
