"""First engine: classes of packets walk through hooks, chains and routes, and split where something tells them apart.

All packets begin in one class. An expression splits a class by the variables that it reads and by no others, as in
header space analysis (Kazemian, Varghese and McKeown, NSDI 2012), over atoms instead of bits (`universe`). What is left
is a finite number of classes, each with what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import product

from harness.proof.chains import Chains, Step
from harness.proof.classes import PacketClass, merged
from harness.proof.errors import Unmodelled
from harness.proof.fields import (
    Flow,
    Register,
    Variable,
    addresses,
)
from harness.proof.passages import Memory
from harness.proof.routing import RESERVED, Routing, Way
from harness.proof.ruleset import (
    Chain,
    Ruleset,
    Table,
)
from harness.proof.tracking import tracked, unseen
from harness.proof.universe import ones

_TRACKING, _REASSEMBLY = -200, -400


class Fate(Enum):
    """Final fate of a packet."""

    FORWARDED = "forwarded"
    DELIVERED = "delivered to the hub"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Final:
    """A class of packets and what becomes of it."""

    fate: Fate
    packets: PacketClass


class Engine:
    """Walks classes through one namespace.

    Args:
        memory: of this ruleset, and of others.

    Attributes:
        entered: tables and names of the chains that packets came to in the last walk.
        is_routed: True if packets came to routes in the last walk.
    """

    def __init__(self, ruleset: Ruleset, routing: Routing, memory: Memory) -> None:
        self._ruleset = ruleset
        self._routing = routing
        self._space = memory.space
        self._chains = Chains(ruleset.tables, memory)
        self.entered: set[tuple[str, str]] = set()
        self.is_routed = False
        self._addresses = self._space.of(Variable.DESTINATION)
        self._own = self._addresses.atoms_in(routing.own())
        self._reserved_atoms = [
            (self._addresses.atoms_in([each.source]), self._addresses.atoms_in([each.destination]), each.ways)
            for each in RESERVED
        ]
        if not ruleset.tracks and any(ruleset.statements()):
            # Without tracking packets are not reassembled, and nobody knows who opened a connection.
            raise Unmodelled("a ruleset that tracks no connections", "nftables")

    @property
    def trace(self) -> list[Step]:
        """Rules met in the last walk, in order; of use after a walk with a focus."""
        return self._chains.trace

    def walk(self, focus: PacketClass | None = None) -> list[Final]:
        """Walks all packets, or those of one class, to their ends.

        Raises:
            Unmodelled: an expression has no meaning for packets that it meets.
        """
        dropped: list[PacketClass] = []
        passing = self._passing(focus, dropped)
        return [*passing, *(Final(Fate.DROPPED, each) for each in merged(map(_settled, dropped)))]

    def passing(self) -> list[Final]:
        """Walks all packets to their ends, without those that are dropped."""
        return self._passing(None, [])

    def _passing(self, focus: PacketClass | None, dropped: list[PacketClass]) -> list[Final]:
        self._chains.begin(is_traced=focus is not None)
        self.entered = set()
        before, after = self._prerouting()
        early = self._hook(before, [unseen(self._space, focus)], dropped)
        # What an early chain drops would have had a state too, by which the policy is asked.
        dropped[:] = [each for some in dropped for each in tracked(_settled(some), self._space, focus)]
        # What a number follows from may have another name afterwards.
        resolved = (each for some in early for each in some.resolved(*range(len(Register))))
        seen = [each for some in resolved for each in tracked(some, self._space, focus)]
        passed = self._hook(after, merged(seen), dropped)
        self.is_routed = bool(passed)
        local: list[PacketClass] = []
        forwarded: list[PacketClass] = []
        marked = (each for some in passed for each in some.resolved(Register.MARK.value))
        for some in marked:
            for way, routed in self._route(some):
                {Way.LOCAL: local, Way.FORWARD: forwarded, Way.NOWHERE: dropped}[way].append(routed)
        delivered = self._hook(self._ruleset.bases("input"), merged(local), dropped)
        # The kernel derives the priority from the type of service while it forwards (ip_forward).
        leaving = [each.with_register(Register.PRIORITY.value, None) for each in merged(forwarded)]
        leaving = self._hook(self._ruleset.bases("forward"), leaving, dropped)
        leaving = self._hook(self._ruleset.bases("postrouting"), leaving, dropped)
        return [
            *(Final(Fate.FORWARDED, each) for each in merged(map(_settled, leaving))),
            *(Final(Fate.DELIVERED, each) for each in merged(map(_settled, delivered))),
        ]

    def _prerouting(self) -> tuple[tuple[tuple[Table, Chain], ...], tuple[tuple[Table, Chain], ...]]:
        """Base chains of prerouting before connection tracking, and those after it."""
        before: list[tuple[Table, Chain]] = []
        after: list[tuple[Table, Chain]] = []
        for table, chain in self._ruleset.bases("prerouting"):
            assert chain.hook is not None
            if chain.hook.priority <= _REASSEMBLY or chain.hook.priority == _TRACKING:
                raise Unmodelled(f"the priority {chain.hook.priority}", f"table {table}, chain {chain.name}")
            (before if chain.hook.priority < _TRACKING else after).append((table, chain))
        return tuple(before), tuple(after)

    def _hook(
        self, bases: Iterable[tuple[Table, Chain]], packets: list[PacketClass], dropped: list[PacketClass]
    ) -> list[PacketClass]:
        """Packets that all base chains of a hook accept."""
        for table, base in bases if packets else ():
            assert base.hook is not None
            passage = self._chains.walk(table, base, packets)
            self.entered |= passage.entered
            accepts = base.hook.policy == "accept"
            (passage.accepted if accepts else passage.dropped).extend(passage.returned)
            if passage.returned:
                self._chains.trace.append(Step(f"{table} {base.name} policy {base.hook.policy}"))
            dropped += passage.dropped
            packets = merged(passage.accepted)
        return packets

    def _route(self, packets: PacketClass) -> Iterator[tuple[Way, PacketClass]]:
        """Splits a class by the way that routing rules and routes lead it."""
        mark = packets.registers[Register.MARK.value]
        if not isinstance(mark, int):
            raise Unmodelled("a mark that is not known", "routing")
        tables = [rule.table for rule in self._routing.rules if mark & rule.mask == rule.mark]
        routes = [route for table in tables for route in self._routing.routes.get(table, ())]
        for some, source, destination in _by_ends(packets):
            left = []
            for way, each in self._reserved(some, source, destination):
                if way is None:
                    left.append(each)
                else:
                    yield way, each
            for route in routes:
                atoms = self._addresses.atoms_in([route.destination])
                remaining: list[PacketClass] = []
                for each in left:
                    if inside := each.sets[destination] & atoms:
                        way = Way.NOWHERE if route.way is Way.FORWARD and not self._routing.forwards else route.way
                        found = each.with_set(destination, inside)
                        yield way, found.with_register(Register.LINK_OUT.value, route.link)
                    if outside := each.sets[destination] & ~atoms:
                        remaining.append(each.with_set(destination, outside))
                left = remaining
            for each in left:
                yield Way.NOWHERE, each

    def _reserved(
        self, packets: PacketClass, source: Variable, destination: Variable
    ) -> Iterator[tuple[Way | None, PacketClass]]:
        """Splits a class by what the kernel decides about addresses; None is for those that routes decide about.

        Args:
            source, destination: variables of the packets' own addresses.
        """
        if forged := packets.sets[source] & self._own:
            yield Way.NOWHERE, packets.with_set(source, forged)
        others = packets.sets[source] & ~self._own
        left = [packets.with_set(source, others)] if others else []
        for sources, destinations, ways in self._reserved_atoms:
            remaining: list[PacketClass] = []
            for some in left:
                if not (some.sets[source] & sources and some.sets[destination] & destinations):
                    remaining.append(some)
                    continue
                met, outside = _cut(some, {source: sources, destination: destinations})
                remaining += outside
                for way, inside in product(ways, met):
                    yield way, inside.with_register(Register.LINK_OUT.value, 0)
            left = remaining
        yield from ((None, each) for each in left)


def _by_ends(packets: PacketClass) -> Iterator[tuple[PacketClass, Variable, Variable]]:
    """Splits a class by the variables that its packets' source and destination are."""
    for (source, destination), own in _flows_by_ends(packets.sets[Variable.FLOW]):
        yield packets.with_set(Variable.FLOW, own), source, destination


@cache
def _flows_by_ends(flows: int) -> tuple[tuple[tuple[Variable, Variable], int], ...]:
    together: dict[tuple[Variable, Variable], int] = {}
    for number in ones(flows):
        ends = addresses(Flow(number))
        together[ends] = together.get(ends, 0) | 1 << number
    return tuple(together.items())


def _cut(packets: PacketClass, by: Mapping[Variable, int]) -> tuple[list[PacketClass], list[PacketClass]]:
    """The part of a class with these values of some variables, if there is one, and the other parts."""
    outside: list[PacketClass] = []
    for variable, atoms in by.items():
        if others := packets.sets[variable] & ~atoms:
            outside.append(packets.with_set(variable, others))
        packets = packets.with_set(variable, packets.sets[variable] & atoms)
        if not packets.sets[variable]:
            return [], outside
    return [packets], outside


def _settled(packets: PacketClass) -> PacketClass:
    """This class without what no longer matters: of its registers, the link that it leaves by stays."""
    return packets._replace(registers=(None, None, packets.registers[Register.LINK_OUT.value]))
