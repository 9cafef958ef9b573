"""Lookups of a policy, and the keys of its rules in them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from appliance.hub.ruleset.classes import Classes, classify
from appliance.model.desired import Desired
from appliance.model.policy import Action, Rule, Selector, SelectorKind
from appliance.model.port_ranges import PortRange, merge_ports


class Topic(Enum):
    """Protocol of the rules of one lookup."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    ANY = "any"


Shape = tuple[SelectorKind, SelectorKind]
_SPECIFIC_FIRST = (SelectorKind.MACHINE, SelectorKind.GROUP, SelectorKind.ANY)
SHAPES: tuple[Shape, ...] = tuple(
    (source, destination) for source in _SPECIFIC_FIRST for destination in _SPECIFIC_FIRST
)

Key = tuple[str, ...]
"""Ends of a shape as nft writes them; "anyone" has none."""

CLASS_SHIFT = 8
"""Bits of the mark below the destination's class."""


@dataclass(frozen=True)
class Lookup:
    """Properties that the rules of one lookup share.

    Attributes:
        has_ports: True if the key ends with ports.
    """

    action: Action
    topic: Topic
    shape: Shape
    has_ports: bool

    @property
    def name(self) -> str:
        """Name of this lookup's nftables chain."""
        ends = "".join(kind.value[0] for kind in self.shape)
        return f"{self.action.value}_{self.topic.value}_{ends}{'_ports' if self.has_ports else ''}"


Element = tuple[PortRange | None, str]
"""Ports (None for a lookup without ports), and the id of the rule that counts."""

Elements = Mapping[Key, tuple[Element, ...]]
"""Elements by key; the ports of one key are disjoint."""


def _in_order() -> Iterator[Lookup]:
    for action in (Action.DENY, Action.ALLOW):
        for topic in Topic:
            for shape in SHAPES:
                for has_ports in (True, False):
                    yield Lookup(action, topic, shape, has_ports)


POSITIONS: Mapping[Lookup, int] = {lookup: position for position, lookup in enumerate(_in_order())}
"""Positions of all possible lookups; those of one action and topic are in the order in which a packet meets them."""


@dataclass(frozen=True)
class Ends:
    """Addresses and classes that the ends of rules stand for.

    Attributes:
        addresses: addresses by the machine's id.
    """

    addresses: Mapping[str, str]
    classes: Classes

    @classmethod
    def of(cls, desired: Desired) -> Ends:
        """Resolve the ends in this state."""
        return cls({peer.id: str(peer.address) for peer in desired.peers}, classify(desired))

    def changed(self, after: Ends) -> frozenset[str]:
        """Names of machines and groups that have another meaning in `after`."""
        machines = self.addresses.items() ^ after.addresses.items()
        groups = self.classes.of_group.items() ^ after.classes.of_group.items()
        return frozenset(name for name, _ in (*machines, *groups))


def elements_of(lookup: Lookup, rules: Sequence[Rule]) -> tuple[Element, ...]:
    """Elements of a key that these rules contain."""
    return tuple(_disjoint(rules)) if lookup.has_ports else ((None, rules[0].id),)


def lookup_of(rule: Rule) -> Lookup:
    """Lookup that contains the rule."""
    shape = (rule.source.kind, rule.destination.kind)
    return Lookup(rule.action, Topic(rule.protocol.value), shape, bool(rule.ports))


def keys_of(rule: Rule, ends: Ends) -> Iterator[Key]:
    """Keys of the rule."""
    destinations = _ends(rule.destination, ends, in_mark)
    for source in _ends(rule.source, ends, in_priority):
        for destination in destinations:
            yield (*source, *destination)


def _ends(selector: Selector, ends: Ends, text: Callable[[int], str]) -> list[Key]:
    if selector.kind is SelectorKind.ANY:
        return [()]
    if selector.kind is SelectorKind.MACHINE:
        address = ends.addresses.get(selector.name)
        return [] if address is None else [(address,)]
    return [(text(number),) for number in ends.classes.of_group.get(selector.name, ())]


def in_priority(number: int) -> str:
    """Class of a source, as nft and tc(8) write a packet's priority: major and minor in hexadecimal."""
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def in_mark(number: int) -> str:
    """Class of a destination, as nft writes a packet's mark."""
    return hex(number << CLASS_SHIFT)


def _disjoint(rules: Sequence[Rule]) -> Iterator[Element]:
    """Split overlapping ports, so that each belongs to the first rule with it."""
    if len(rules) == 1:
        yield from ((ports, rules[0].id) for ports in merge_ports(rules[0].ports))
        return
    starts = sorted((ports.first, at, ports.last) for at, rule in enumerate(rules) for ports in rule.ports)
    ends = sorted({ports.last + 1 for rule in rules for ports in rule.ports} | {first for first, _, _ in starts})
    holding: list[tuple[int, int]] = []
    begun = 0
    # The rules are the same for all ports between two neighbouring borders.
    for border, following in pairwise(ends):
        while begun < len(starts) and starts[begun][0] <= border:
            _, at, last = starts[begun]
            heapq.heappush(holding, (at, last))
            begun += 1
        while holding and holding[0][1] < border:
            heapq.heappop(holding)
        if holding:
            yield PortRange(border, following - 1), rules[holding[0][0]].id
