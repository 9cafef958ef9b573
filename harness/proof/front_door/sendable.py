"""Datagrams that a test can send, which are the better counterexamples."""

from __future__ import annotations

import z3

from harness.proof.bitvectors.logic import Condition, both, is_one_of, number
from harness.proof.front_door.formula import Datagram
from harness.proof.front_door.statements import (
    ADDRESSES,
    ANOTHER_USER,
    HEADER_BYTES,
    IPV4,
    LO,
    LOCAL,
    ROOT,
    UDP,
    UNICAST,
    WIDTHS,
)

_ANOTHER = 2
"""Index of a link that stands for all but the loopback link."""

_LAST_OF_SERVICES = 1023


def can_be_sent(datagram: Datagram, *, is_whole: bool) -> Condition:
    """The condition under which a datagram can be sent: its addresses have the types that they should have.

    Args:
        is_whole: it is one of IPv4 from or to another host, too, and all of it can be read.
    """
    fields = datagram.fields
    conditions = [
        fields["meta l4proto"] == number(UDP, 8),
        z3.UGE(datagram.readable, 8),
        fields["meta mark"] == 0,
        is_one_of(fields["meta skuid"], (ROOT, ANOTHER_USER)),
        *(is_one_of(fields[f"fib {end} type"], (LOCAL, UNICAST)) for end in ("daddr", "saddr")),
        *(is_one_of(fields[f"meta {way}"], (LO, _ANOTHER)) for way in ("iif", "oif")),
        *(fields[name] == number(address, WIDTHS[name]) for name, address in ADDRESSES.items()),
    ]
    if is_whole:
        conditions += [
            fields["meta nfproto"] == number(IPV4, 8),
            datagram.readable == HEADER_BYTES,
            *(fields[f"meta {way}"] == _ANOTHER for way in ("iif", "oif")),
            *(z3.UGT(datagram.port(f"udp {end}"), number(_LAST_OF_SERVICES, 16)) for end in ("sport", "dport")),
        ]
    return both(*conditions)
