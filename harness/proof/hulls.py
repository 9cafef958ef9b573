"""One walk for many classes: a box around them walks through a chain, and what becomes of it is cut to each of them.

What becomes of a packet in a chain follows from what expressions read there and from nothing else: no other packet has
a part in it. So it may walk beside any others, and its own outcomes are those of the box that it lies in. Three kinds
of things are left out of the box, since no expression of the chain reads them, and are taken from the class again:

* variables that no expression reads of packets of these flows: in the box they may have any value;
* the flow, where all expressions read the same variables of several flows: one of these stands for all;
* what is known of two addresses beside their sets, and whether the packet came beyond a rate.

Chains in which this is not so have no such walk: those with ``notrack``, which writes the flow, and those that compare
a sender with what it quotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import and_

from harness.proof.classes import PacketClass
from harness.proof.derived import Derived
from harness.proof.errors import Unmodelled
from harness.proof.fields import Flow, Variable, View, view
from harness.proof.meaning import compared_bits
from harness.proof.ruleset import Expression, Match, NoTrack, Rule
from harness.proof.universe import ones


class Reads:
    """Expressions that a chain and all that it leads to read packets by.

    Args:
        rules: of all these chains.

    Attributes:
        is_pointwise: True if packets fare in these chains by what the expressions read alone.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        some = list(rules)
        self.is_pointwise = not any(
            isinstance(each, NoTrack) or (isinstance(each, Match) and compared_bits(each) is not None)
            for rule in some
            for each in rule.statements
        )
        self._leaves = tuple({leaf for rule in some for leaf in rule.leaves})

    @cached_property
    def stand_ins(self) -> tuple[Flow, ...]:
        """First flow that all expressions read alike, for each flow."""
        first: dict[tuple[View | None, ...], Flow] = {}
        return tuple(first.setdefault(tuple(_seen(leaf, flow) for leaf in self._leaves), flow) for flow in Flow)

    def variables(self, flow: Flow) -> frozenset[Variable]:
        """Variables that they read of packets of a flow, beside those that registers follow from."""
        found = set()
        for seen in (_seen(leaf, flow) for leaf in self._leaves):
            if seen is not None and isinstance(seen.of, Variable):
                found.add(seen.of)
            if seen is not None and seen.protocols is not None:
                found.add(Variable.PROTOCOL)
        return frozenset(found)


def _seen(leaf: Expression, flow: Flow) -> View | None:
    try:
        return view(leaf, flow)
    except Unmodelled:
        return None


@dataclass
class Hull:
    """A box around classes with the same registers.

    Attributes:
        box: class that has all of their packets, but for what the chain doesn't read.
        members: these classes, each with those of its flows that the box's flow stands for.
    """

    box: PacketClass
    members: list[tuple[int, PacketClass]]

    def cut(self, outcomes: Sequence[PacketClass]) -> Iterator[PacketClass]:
        """Outcomes of the classes, from those of the box."""
        index: dict[int, dict[int, list[PacketClass]]] = {}
        for each in outcomes:
            by_destination = index.setdefault(each.sets[Variable.SOURCE], {})
            by_destination.setdefault(each.sets[Variable.DESTINATION], []).append(each)
        for flows, member in self.members:
            own = member.sets
            source, destination = own[Variable.SOURCE], own[Variable.DESTINATION]
            for sources, by_destination in index.items():
                if not sources & source:
                    continue
                for destinations, some in by_destination.items():
                    if not destinations & destination:
                        continue
                    for each in some:
                        sets = tuple(map(and_, each.sets, own))[1:]
                        if all(sets):
                            is_limited = member.is_limited or each.is_limited
                            yield PacketClass((flows, *sets), each.registers, member.agree, member.differ, is_limited)


def hulls(packets: Iterable[PacketClass], reads: Reads, everything: Sequence[int]) -> list[Hull]:
    """Boxes that have all packets of some classes.

    Args:
        everything: all values of each variable.
    """
    found: dict[tuple[Flow, tuple[object, ...]], Hull] = {}
    for each in packets:
        for flow, flows in _by_stand_in(each, reads):
            hull = found.get((flow, each.registers))
            if hull is None:
                box = PacketClass(_free(flow, each, reads, everything), each.registers)
                found[flow, each.registers] = Hull(box, [(flows, each)])
            else:
                sets = tuple(map(int.__or__, hull.box.sets, each.sets))
                hull.box = hull.box._replace(sets=(1 << flow, *sets[1:]))
                hull.members.append((flows, each))
    return list(found.values())


def _by_stand_in(packets: PacketClass, reads: Reads) -> Iterator[tuple[Flow, int]]:
    together: dict[Flow, int] = {}
    for number in ones(packets.sets[Variable.FLOW]):
        flow = reads.stand_ins[number]
        together[flow] = together.get(flow, 0) | 1 << number
    yield from together.items()


def _free(flow: Flow, packets: PacketClass, reads: Reads, everything: Sequence[int]) -> tuple[int, ...]:
    """The sets of a class, with all values of the variables that are not read."""
    read = reads.variables(flow) | {each.variable for each in packets.registers if isinstance(each, Derived)}
    sets = (own if at in read else free for at, (own, free) in enumerate(zip(packets.sets, everything, strict=True)))
    return (1 << flow, *tuple(sets)[1:])
