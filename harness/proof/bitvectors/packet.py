"""One packet and its connection as unknowns, and what the kernel guarantees about the two.

Whatever no invariant says is left free. Each is one named condition with its source; files are those of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import z3

from harness.proof.bitvectors.logic import (
    Condition,
    Number,
    both,
    is_one_of,
    opposite,
)
from harness.proof.literals import PROTOCOLS, STATES, STATUS

ICMP = PROTOCOLS["icmp"]
_REQUESTS, _REPLIES = (8, 13, 15, 17), (0, 14, 16, 18)
_ERRORS = (3, 4, 5, 11, 12)
_ADDRESS, _PORT, _BYTE, _WORD = 32, 16, 8, 32


@dataclass(frozen=True)
class Tuple:
    """A connection's original tuple."""

    source: Number
    destination: Number
    protocol: Number
    source_port: Number
    destination_port: Number


@dataclass(frozen=True)
class Connection:
    """Result of connection tracking for a packet.

    Attributes:
        state: a bit of ``ct state``, new, established or related; invalid stands for no connection.
        is_reply: the direction is the reply's.
        status: bits of ``ct status``.
        original: tuple of the packet that opened the connection.
    """

    state: Number
    is_reply: Condition
    status: Number
    original: Tuple

    def is_in(self, *states: str) -> Condition:
        """True in one of these states."""
        return is_one_of(self.state, [STATES[each] for each in states])

    def has(self, status: str) -> Condition:
        """True if a bit of the status is set."""
        return self.status & STATUS[status] != 0


@dataclass(frozen=True)
class Packet:
    """A packet as it arrives.

    Attributes:
        link: index of the link that it arrives by.
        kind, code: of its ICMP header, if it is of ICMP.
        quoted_version: the first byte after eight of the transport header; of an ICMP error, the first one that it
            quotes (RFC 792).
        quoted_destination: bytes 16 to 19 from there; of a quoted IPv4 header, its destination (RFC 791).
        is_long: those bytes are there.
        later_priority: priority that forwarding derives from the type of service (net/ipv4/ip_forward.c).
        connection: result of connection tracking.
    """

    link: Number
    source: Number
    destination: Number
    protocol: Number
    source_port: Number
    destination_port: Number
    kind: Number
    code: Number
    quoted_version: Number
    quoted_destination: Number
    is_long: Condition
    later_priority: Number
    connection: Connection

    def is_of(self, protocol: str) -> Condition:
        """True for packets of a protocol."""
        return is_one_of(self.protocol, [PROTOCOLS[protocol]])


def unknown() -> Packet:
    """Packet of which nothing is known: z3 chooses every field."""
    return Packet(
        link=z3.BitVec("link", _WORD),
        source=z3.BitVec("source", _ADDRESS),
        destination=z3.BitVec("destination", _ADDRESS),
        protocol=z3.BitVec("protocol", _BYTE),
        source_port=z3.BitVec("source port", _PORT),
        destination_port=z3.BitVec("destination port", _PORT),
        kind=z3.BitVec("type", _BYTE),
        code=z3.BitVec("code", _BYTE),
        quoted_version=z3.BitVec("quoted version", _BYTE),
        quoted_destination=z3.BitVec("quoted destination", _ADDRESS),
        is_long=z3.Bool("is long"),
        later_priority=z3.BitVec("later priority", _WORD),
        connection=Connection(
            state=z3.BitVec("state", _WORD),
            is_reply=z3.Bool("is reply"),
            status=z3.BitVec("status", _WORD),
            original=Tuple(
                source=z3.BitVec("original source", _ADDRESS),
                destination=z3.BitVec("original destination", _ADDRESS),
                protocol=z3.BitVec("original protocol", _BYTE),
                source_port=z3.BitVec("original source port", _PORT),
                destination_port=z3.BitVec("original destination port", _PORT),
            ),
        ),
    )


@dataclass(frozen=True)
class Invariant:
    """Something that the kernel guarantees.

    Attributes:
        source: where it is written.
    """

    name: str
    source: str
    condition: Condition


def invariants(packet: Packet, links: Iterable[int]) -> Iterator[Invariant]:
    """Yields the invariants of packets that arrive by one of some links."""
    connection, original = packet.connection, packet.connection.original
    going = both(connection.is_in("new", "established"), opposite(connection.is_reply))
    answering = both(connection.is_in("new", "established"), connection.is_reply)
    related = connection.is_in("related")
    yield Invariant(
        "a packet comes by a link other than lo, whose packets are the host's own",
        "net/core/dev.c, __netif_receive_skb_core",
        is_one_of(packet.link, links),
    )
    yield Invariant(
        "a packet is new, established, related, or has no connection",
        "include/net/netfilter/nf_conntrack.h, nf_ct_get; nf_conntrack_common.h, NF_CT_STATE_BIT",
        connection.is_in("new", "established", "related", "invalid"),
    )
    yield Invariant(
        "what the opener sends has the original tuple's addresses and ports",
        "net/netfilter/nf_conntrack_core.c, nf_ct_get_tuple; no chain rewrites addresses",
        z3.Implies(
            going,
            both(
                packet.source == original.source,
                packet.destination == original.destination,
                packet.protocol == original.protocol,
                packet.source_port == original.source_port,
                packet.destination_port == original.destination_port,
            ),
        ),
    )
    yield Invariant(
        "what the other end sends has them exchanged",
        "net/netfilter/nf_conntrack_core.c, nf_ct_invert_tuple",
        z3.Implies(
            answering,
            both(
                packet.source == original.destination,
                packet.destination == original.source,
                packet.protocol == original.protocol,
                packet.source_port == original.destination_port,
                packet.destination_port == original.source_port,
            ),
        ),
    )
    yield Invariant(
        "a packet of the reply direction belongs to an established connection",
        "net/netfilter/nf_conntrack_core.c, resolve_normal_ct",
        opposite(both(connection.is_in("new"), connection.is_reply)),
    )
    yield Invariant(
        "ICMP opens connections with requests alone, and replies alone answer",
        "net/netfilter/nf_conntrack_proto_icmp.c, valid_new and invmap",
        z3.Implies(
            packet.is_of("icmp"),
            both(
                z3.Implies(going, is_one_of(packet.kind, _REQUESTS)),
                z3.Implies(answering, is_one_of(packet.kind, _REPLIES)),
            ),
        ),
    )
    yield Invariant(
        "a connection that was found in the table is confirmed",
        "net/netfilter/nf_conntrack_core.c, __nf_conntrack_confirm; nf_conntrack_common.h, IPS_CONFIRMED",
        z3.Implies(connection.is_in("established", "related"), connection.has("confirmed")),
    )
    yield Invariant(
        "a packet is related if it is an ICMP error; nothing sets helpers, which expect others",
        "net/netfilter/nf_conntrack_proto_icmp.c, nf_conntrack_icmpv4_error",
        z3.Implies(related, both(packet.is_of("icmp"), is_one_of(packet.kind, _ERRORS), packet.is_long)),
    )
    # The direction is that of the tuple which the quoted one is the inverse of.
    about_opener = both(
        packet.destination == original.source,
        packet.quoted_destination == original.destination,
    )
    about_answer = both(
        packet.destination == original.destination,
        packet.quoted_destination == original.source,
    )
    yield Invariant(
        "an error goes to the sender of the packet that it quotes, and quotes a packet of its connection",
        "net/netfilter/nf_conntrack_proto_icmp.c, nf_conntrack_inet_error",
        z3.Implies(related, z3.If(connection.is_reply, about_opener, about_answer)),
    )


def without_connection(packet: Packet, not_tracked: Condition) -> Invariant:
    """Invariant of packets that are kept from connection tracking."""
    return Invariant(
        "what notrack marks before connection tracking looks has no connection",
        "net/netfilter/nft_ct.c, nft_notrack_eval; nf_conntrack_core.c, nf_conntrack_in",
        z3.Implies(not_tracked, packet.connection.is_in("invalid")),
    )
