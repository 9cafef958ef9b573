"""Fates of single packets by the second engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

import z3

from harness.proof.atoms import Fate
from harness.proof.bitvectors.logic import Condition
from harness.proof.bitvectors.packet import invariants, unknown, without_connection
from harness.proof.bitvectors.question import solve
from harness.proof.bitvectors.way import Ends, Walk
from harness.proof.fields import BY_OTHER, RELATED, Flow
from harness.proof.routing import Routing
from harness.proof.ruleset import Ruleset

THIRD = "10.100.200.200"
"""Sender of an ICMP error that is no end of its connection."""


class Formula:
    """A ruleset as a formula over one packet."""

    def __init__(self, ruleset: Ruleset, routing: Routing, links: Iterable[int]) -> None:
        self._packet = unknown()
        self._ends: Ends = Walk(ruleset, routing, self._packet).ends()
        without = without_connection(self._packet, self._ends.without_tracking)
        self._known = [each.condition for each in (*invariants(self._packet, links), without)]

    def fates(
        self,
        flow: Flow,
        protocol: str,
        source: str,
        destination: str,
        *,
        ports: tuple[int, int],
        kind: int,
        link: int,
    ) -> set[Fate]:
        """Computes the possible fates of one packet."""
        one = list(self._is(flow, protocol, source, destination, ports))
        one += [self._packet.kind == kind, self._packet.code == 0, self._packet.link == link]
        one += [self._packet.quoted_version == 0x45]
        ends = self._ends
        of_fate = {Fate.FORWARDED: ends.forwarded, Fate.DELIVERED: ends.delivered, Fate.DROPPED: ends.dropped}
        return {each for each, state in of_fate.items() if solve([*self._known, *one, state.here]) is not None}

    def _is(
        self, flow: Flow, protocol: str, source: str, destination: str, ports: tuple[int, int]
    ) -> Iterator[Condition]:
        """Conditions that only packets of this flow meet."""
        packet, connection = self._packet, self._packet.connection
        state = "related" if flow in RELATED else "new" if flow in (Flow.NEW, Flow.NEW_CONFIRMED) else "established"
        number_of = {"tcp": 6, "udp": 17, "icmp": 1, "gre": 47}[protocol]
        ends = [int(IPv4Address(each)) for each in (source, destination)]
        without = self._ends.without_tracking
        if flow in (Flow.INVALID, Flow.UNTRACKED):
            yield connection.is_in("invalid")
            yield without if flow is Flow.UNTRACKED else z3.Not(without)
            terms = (packet.source, packet.destination, packet.protocol, packet.source_port, packet.destination_port)
        else:
            yield connection.is_in(state)
            yield connection.is_reply if flow in _BACKWARD else z3.Not(connection.is_reply)
            yield connection.has("confirmed") if flow is not Flow.NEW else z3.Not(connection.has("confirmed"))
            opened = connection.original
            terms = (opened.source, opened.destination, opened.protocol, opened.source_port, opened.destination_port)
        if flow in BY_OTHER:
            yield packet.source == int(IPv4Address(THIRD))
        elif flow in RELATED:
            yield packet.source == packet.quoted_destination
        for term, value in zip(terms, (*ends, number_of, *ports), strict=True):
            yield term == value


_BACKWARD = (Flow.REPLY, Flow.ABOUT_ORIGINAL_BY_END, Flow.ABOUT_ORIGINAL_BY_OTHER)
