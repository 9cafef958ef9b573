"""From rules to lookups: which keys, of which shape, belong to which rule."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from appliance.hub.ruleset.classes import Classes
from appliance.model.desired import Desired
from appliance.model.policy import Action, Kind, PortRange, Rule, Selector, merge_ports


class Topic(Enum):
    """What the rules of one lookup are about."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    ANY = "any"


Shape = tuple[Kind, Kind]
_SPECIFIC_FIRST = (Kind.MACHINE, Kind.GROUP, Kind.ANY)
SHAPES: tuple[Shape, ...] = tuple(
    (source, destination) for source in _SPECIFIC_FIRST for destination in _SPECIFIC_FIRST
)

Key = tuple[str, ...]
"""The ends that a shape has, as nft writes them: none for anyone."""

CLASS_SHIFT = 8
"""Bits of the mark below the destination's class."""


@dataclass(frozen=True)
class Lookup:
    """What one lookup is about.

    Attributes:
        has_ports: whether the key goes on with ports.
    """

    action: Action
    topic: Topic
    shape: Shape
    has_ports: bool

    @property
    def name(self) -> str:
        """Of its chain."""
        ends = "".join(kind.value[0] for kind in self.shape)
        return f"{self.action.value}_{self.topic.value}_{ends}{'_ports' if self.has_ports else ''}"


Element = tuple[PortRange | None, str]
"""Ports (None where the lookup has none), and the id of the rule that counts."""

Elements = Mapping[Key, tuple[Element, ...]]
"""By key; the ports of one key are disjoint."""


def in_order() -> Iterator[Lookup]:
    """Every lookup that there can be: of one action and topic, in the order in which a packet meets them."""
    for action in (Action.DENY, Action.ALLOW):
        for topic in Topic:
            for shape in SHAPES:
                for has_ports in (True, False):
                    yield Lookup(action, topic, shape, has_ports)


def compile_rules(desired: Desired, classes: Classes) -> dict[Lookup, Elements]:
    """The elements of every lookup that has any, in the order of `in_order`."""
    addresses = {peer.id: str(peer.address) for peer in desired.peers}
    met: defaultdict[Lookup, defaultdict[Key, list[Rule]]] = defaultdict(lambda: defaultdict(list))
    for rule in desired.policy.rules:
        keys = tuple(_keys(rule, addresses, classes))
        of_lookup = met[_lookup(rule)]
        for key in keys:
            of_lookup[key].append(rule)
    return {
        lookup: {key: _elements(lookup, rules) for key, rules in met[lookup].items()}
        for lookup in in_order()
        if met.get(lookup)
    }


def _elements(lookup: Lookup, rules: Sequence[Rule]) -> tuple[Element, ...]:
    return tuple(_disjoint(rules)) if lookup.has_ports else ((None, rules[0].id),)


def _lookup(rule: Rule) -> Lookup:
    shape = (rule.source.kind, rule.destination.kind)
    return Lookup(rule.action, Topic(rule.protocol.value), shape, bool(rule.ports))


def _keys(rule: Rule, addresses: Mapping[str, str], classes: Classes) -> Iterator[Key]:
    destinations = _ends(rule.destination, addresses, classes, in_mark)
    for source in _ends(rule.source, addresses, classes, in_priority):
        for destination in destinations:
            yield (*source, *destination)


def _ends(selector: Selector, addresses: Mapping[str, str], classes: Classes, text: Callable[[int], str]) -> list[Key]:
    if selector.kind is Kind.ANY:
        return [()]
    if selector.kind is Kind.MACHINE:
        address = addresses.get(selector.name)
        return [] if address is None else [(address,)]
    return [(text(number),) for number in classes.of_group.get(selector.name, ())]


def in_priority(number: int) -> str:
    """The class of a source, as nft and tc(8) write a packet's priority: major and minor in hexadecimal."""
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def in_mark(number: int) -> str:
    """The class of a destination, as nft writes a packet's mark."""
    return hex(number << CLASS_SHIFT)


def _disjoint(rules: Sequence[Rule]) -> Iterator[Element]:
    """Where ports overlap, the first rule has them."""
    if len(rules) == 1:
        yield from ((ports, rules[0].id) for ports in merge_ports(rules[0].ports))
        return
    starts = sorted((ports.first, at, ports.last) for at, rule in enumerate(rules) for ports in rule.ports)
    ends = sorted({ports.last + 1 for rule in rules for ports in rule.ports} | {first for first, _, _ in starts})
    holding: list[tuple[int, int]] = []
    begun = 0
    # Between two neighbouring borders the same rules hold.
    for border, following in pairwise(ends):
        while begun < len(starts) and starts[begun][0] <= border:
            _, at, last = starts[begun]
            heapq.heappush(holding, (at, last))
            begun += 1
        while holding and holding[0][1] < border:
            heapq.heappop(holding)
        if holding:
            yield PortRange(border, following - 1), rules[holding[0][0]].id
