"""Expressions of nftables as terms.

An expression has a number, and a condition under which there is something to read: where it is not met, the rule ends
(`NFT_BREAK`). Sources: nft(8), "EXPRESSIONS"; the kernel's net/netfilter/nft_meta.c, nft_ct.c and nft_payload.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import z3

from harness.proof.bitvectors.hashing import bucket, in_host_order
from harness.proof.bitvectors.logic import (
    FALSE,
    TRUE,
    Condition,
    Number,
    both,
    chosen,
    either,
    lies_in,
    number,
    opposite,
)
from harness.proof.bitvectors.packet import Packet
from harness.proof.errors import Unmodelled
from harness.proof.intervals import Interval
from harness.proof.literals import DIRECTIONS, FAMILIES, STATES
from harness.proof.ruleset import (
    And,
    Concat,
    Element,
    Elements,
    Expression,
    Field,
    Hash,
    Literal,
    MapLookup,
    Match,
    Or,
    Raw,
    Verdict,
)

_WORD = 32
_HOST_ORDER = ("meta mark", "meta priority")
_FROM_HEADERS = (
    "ip saddr",
    "ip daddr",
    *(f"ct {direction} {end}" for direction in ("original", "reply") for end in ("saddr", "daddr")),
)

_OF_METADATA = {"meta mark": "mark", "meta priority": "priority", "meta oif": "link_out", "meta oifname": "link_out"}
_OF_PACKET = {
    "meta iif": "link",
    "meta iifname": "link",
    "meta l4proto": "protocol",
    "ip protocol": "protocol",
    "ip saddr": "source",
    "ip daddr": "destination",
}
_OF_HEADER = {
    "icmp type": ("icmp", "kind"),
    "icmp code": ("icmp", "code"),
    "tcp sport": ("tcp", "source_port"),
    "tcp dport": ("tcp", "destination_port"),
    "udp sport": ("udp", "source_port"),
    "udp dport": ("udp", "destination_port"),
}
_OF_TUPLE = {
    "ct protocol": "protocol",
    "ct original protocol": "protocol",
    "ct reply protocol": "protocol",
    "ct original saddr": "source",
    "ct original daddr": "destination",
    "ct original proto-src": "source_port",
    "ct original proto-dst": "destination_port",
    "ct reply saddr": "destination",
    "ct reply daddr": "source",
    "ct reply proto-src": "destination_port",
    "ct reply proto-dst": "source_port",
}
"""Attributes by the names of fields: of what rules have written, the packet, its headers, the original tuple."""


@dataclass(frozen=True)
class Metadata:
    """Metadata that rules and the kernel have written beside a packet.

    Attributes:
        is_seen: connection tracking has looked at it.
        not_tracked: ``notrack`` marked it.
    """

    mark: Number
    priority: Number
    link_out: Number
    not_tracked: Condition
    is_seen: bool


@dataclass(frozen=True)
class Read:
    """Value of an expression.

    Attributes:
        is_there: there is something to read.
    """

    value: Number
    is_there: Condition = TRUE


@dataclass(frozen=True)
class Hits:
    """Result of a lookup.

    Attributes:
        is_there: the key can be read.
        by_value: for each value, the condition under which the key finds it.
    """

    is_there: Condition
    by_value: dict[int | Verdict | None, Condition]

    @property
    def is_hit(self) -> Condition:
        """True if some element has the key."""
        return both(self.is_there, either(self.by_value.values()))


class Reader:
    """Gives expressions their meaning for one packet at one point of its way."""

    def __init__(self, packet: Packet, metadata: Metadata) -> None:
        self._packet = packet
        self._metadata = metadata

    def matches(self, match: Match) -> Condition:
        """True if the rule goes on.

        Raises:
            Unmodelled: an expression has no meaning here.
        """
        if match.any_bit:
            return self._any_bit(match)
        hits = self.look_up(match.left, match.right)
        if match.negated:
            return both(hits.is_there, opposite(hits.is_hit))
        return hits.is_hit

    def look_up(self, key: Expression, elements: Elements) -> Hits:
        """Finds a key in a set or a map.

        Raises:
            Unmodelled: an expression has no meaning here.
        """
        parts = [self.read(each) for each in (key.parts if isinstance(key, Concat) else (key,))]
        values = [each.value for each in parts]
        by_value: dict[int | Verdict | None, list[tuple[Interval, ...]]] = {}
        others: list[Element] = []
        for element in elements:
            if element.key is None:
                others.append(element)
            else:
                by_value.setdefault(element.value, []).append(element.key)
        found = {value: _has_key(values, keys) for value, keys in by_value.items()}
        if others:
            left = opposite(either(found.values()))
            value = others[0].value
            found[value] = either((found.get(value, FALSE), left))
        return Hits(both(*(each.is_there for each in parts)), found)

    def read(self, expression: Expression) -> Read:
        """Value of an expression.

        Raises:
            Unmodelled: it has no meaning here.
        """
        if isinstance(expression, Literal):
            return Read(number(expression.value, _WORD))
        if isinstance(expression, And):
            inner = self.read(expression.of)
            return Read(z3.simplify(inner.value & expression.mask), inner.is_there)
        if isinstance(expression, Or):
            inner = self.read(expression.of)
            return Read(z3.simplify(inner.value | expression.bits), inner.is_there)
        if isinstance(expression, Hash):
            return self._hash(expression)
        if isinstance(expression, MapLookup):
            return self._value_of_map(expression)
        if isinstance(expression, Raw):
            return self._raw(expression)
        if isinstance(expression, Field):
            return self._field(expression.name)
        raise Unmodelled(f"the expression {expression}", "ruleset")

    def _any_bit(self, match: Match) -> Condition:
        read = self.read(match.left)
        (element,) = match.right
        if element.key is None:
            raise Unmodelled("a test of all bits", "ruleset")
        return both(read.is_there, read.value & element.key[0][0] != 0)

    def _value_of_map(self, lookup: MapLookup) -> Read:
        hits = self.look_up(lookup.key, lookup.elements)
        term = number(0, _WORD)
        for value, condition in hits.by_value.items():
            if not isinstance(value, int):
                raise Unmodelled(f"the value {value} of a map", "ruleset")
            term = chosen(condition, number(value, _WORD), term)
        return Read(term, hits.is_hit)

    def _hash(self, key: Hash) -> Read:
        parts = key.of.parts if isinstance(key.of, Concat) else (key.of,)
        reads = [self.read(each) for each in parts]
        words = [_hashed_word(part, read) for part, read in zip(parts, reads, strict=True)]
        return Read(bucket(words, key.modulus, key.seed, key.offset), both(*(each.is_there for each in reads)))

    def _raw(self, raw: Raw) -> Read:
        packet = self._packet
        found = {
            Raw("th", 64, 8): packet.quoted_version,
            Raw("th", 192, 32): packet.quoted_destination,
        }.get(raw)
        if found is None:
            raise Unmodelled(f"@{raw.base},{raw.offset},{raw.length}", "ruleset")
        return Read(found, packet.is_long)

    def _field(self, name: str) -> Read:
        if name == "meta nfproto":
            return Read(number(FAMILIES["ipv4"], 8))
        if name in _OF_METADATA:
            return Read(getattr(self._metadata, _OF_METADATA[name]))
        if name in _OF_PACKET:
            return Read(getattr(self._packet, _OF_PACKET[name]))
        if name in _OF_HEADER:
            protocol, part = _OF_HEADER[name]
            return Read(getattr(self._packet, part), self._packet.is_of(protocol))
        return self._of_connection(name)

    def _of_connection(self, name: str) -> Read:
        connection = self._packet.connection
        if name == "ct state":
            none = chosen(
                self._metadata.not_tracked, *(number(STATES[each], _WORD) for each in ("untracked", "invalid"))
            )
            return Read(chosen(self.has_connection, connection.state, none))
        if name == "ct direction":
            directions = (number(DIRECTIONS[each], 8) for each in ("reply", "original"))
            return Read(z3.If(connection.is_reply, *directions), self.has_connection)
        if name == "ct status":
            return Read(connection.status, self.has_connection)
        if name in _OF_TUPLE:
            return Read(getattr(connection.original, _OF_TUPLE[name]), self.has_connection)
        raise Unmodelled(f"the field {name}", "ruleset")

    @property
    def has_connection(self) -> Condition:
        """True if connection tracking has found a connection by now."""
        if not self._metadata.is_seen:
            return FALSE
        return self._packet.connection.is_in("new", "established", "related")


def _hashed_word(part: Expression, read: Read) -> Number:
    """The word of a register that is hashed (`nft_hash`)."""
    leaf = part
    while isinstance(leaf, (And, Or)):
        leaf = leaf.of
    if not isinstance(leaf, Field) or leaf.name not in (*_HOST_ORDER, *_FROM_HEADERS):
        raise Unmodelled(f"a hash of {leaf}", "ruleset")
    return read.value if leaf.name in _HOST_ORDER else in_host_order(read.value)


def _has_key(values: Sequence[Number], keys: Iterable[tuple[Interval, ...]]) -> Condition:
    """True if all parts of a key lie in the intervals of one element."""
    first, *rest = values
    together: dict[Interval, list[tuple[Interval, ...]]] = {}
    for interval, *others in keys:
        together.setdefault(interval, []).append(tuple(others))
    if not rest:
        return either(lies_in(first, interval) for interval in together)
    return either(both(lies_in(first, interval), _has_key(rest, others)) for interval, others in together.items())
