"""First engine: classes of packets walk through hooks, chains and routes, and split where something tells them apart.

All packets begin in one class. An expression splits a class by the variables that it reads and by no others, as in
header space analysis (Kazemian, Varghese and McKeown, NSDI 2012), over atoms instead of bits (`universe`). What is left
is a finite number of classes, each with what becomes of it.

A lookup with n elements over k variables splits a class into at most as many parts as there are distinct rows among its
elements, k deep. Classes that differ in one variable alone are merged after each rule, so their number stays near the
number of distinct rows of the whole policy; buckets of a hash add nothing that lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from harness.proof.classes import PacketClass, merged
from harness.proof.errors import Unmodelled
from harness.proof.fields import (
    ICMP,
    RELATED,
    Flow,
    Register,
    Variable,
    addresses,
)
from harness.proof.lookups import Lookups
from harness.proof.routing import Routing, Way
from harness.proof.ruleset import (
    Assign,
    Chain,
    Decide,
    Dispatch,
    Limited,
    Match,
    NoTrack,
    Rule,
    Ruleset,
    Table,
    Verdict,
)
from harness.proof.space import Space
from harness.proof.tracking import states, without_tracking
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


@dataclass(frozen=True)
class Step:
    """A rule whose conditions a packet met, or a decision of the kernel."""

    where: str
    handle: int = 0

    def __str__(self) -> str:
        return f"{self.where} handle {self.handle}" if self.handle else self.where


@dataclass
class Passage:
    """Classes that a chain returns, and those for which it has a verdict.

    Attributes:
        entered: names of this chain and of those that it led to.
    """

    returned: list[PacketClass] = field(default_factory=list)
    accepted: list[PacketClass] = field(default_factory=list)
    dropped: list[PacketClass] = field(default_factory=list)
    entered: set[tuple[str, str]] = field(default_factory=set)


class Memory:
    """Passages of classes, for rulesets that have most of their chains in common.

    A chain is known again if it is the same object, and if all chains that it leads to are.

    Args:
        space: cut at every constant of these rulesets, their routes and the policy.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.lookups = Lookups(space)
        self.passages: dict[tuple[int, tuple[PacketClass, ...]], Passage] = {}
        self._numbers: dict[tuple[int, ...], int] = {}
        # An object that is gone may leave its identity to another one.
        self._kept: list[Table] = []

    def numbers(self, table: Table) -> dict[str, int]:
        """Numbers of a table's chains, which are equal for those that are the same."""
        self._kept.append(table)
        found: dict[str, int] = {}

        def number(name: str) -> int:
            if name not in found:
                key = id(table.chains[name].rules), *map(number, table.chains[name].led_to)
                found[name] = self._numbers.setdefault(key, len(self._numbers))
            return found[name]

        for name in table.chains:
            number(name)
        return found


class Engine:
    """Walks classes through one namespace.

    Args:
        memory: of this ruleset, and of others.

    Attributes:
        trace: rules met, in order; of use after a walk with a focus.
        entered: tables and names of the chains that packets came to in the last walk.
        is_routed: True if packets came to routes in the last walk.
    """

    def __init__(self, ruleset: Ruleset, routing: Routing, memory: Memory) -> None:
        self._ruleset = ruleset
        self._routing = routing
        self._space = memory.space
        self._lookups = memory.lookups
        self._memory = memory
        self._numbers = {str(table): memory.numbers(table) for table in ruleset.tables}
        self._is_traced = False
        self.trace: list[Step] = []
        self.entered: set[tuple[str, str]] = set()
        self.is_routed = False
        if not ruleset.tracks and any(ruleset.statements()):
            # Without tracking packets are not reassembled, and nobody knows who opened a connection.
            raise Unmodelled("a ruleset that tracks no connections", "nftables")

    def walk(self, focus: PacketClass | None = None) -> list[Final]:
        """Walk all packets, or those of one class, to their ends.

        Raises:
            Unmodelled: an expression has no meaning for packets that it meets.
        """
        dropped: list[PacketClass] = []
        passing = self._passing(focus, dropped)
        return [*passing, *(Final(Fate.DROPPED, each) for each in merged(map(_settled, dropped)))]

    def passing(self) -> list[Final]:
        """Walk all packets to their ends, without those that are dropped."""
        return self._passing(None, [])

    def _passing(self, focus: PacketClass | None, dropped: list[PacketClass]) -> list[Final]:
        self.trace, self._is_traced, self.entered = [], focus is not None, set()
        before, after = self._prerouting()
        early = self._hook(before, [self._start(focus)], dropped)
        # What an early chain drops would have had a state too, by which the policy is asked.
        dropped[:] = [each for some in dropped for each in self._tracked(some, focus)]
        tracked = [each for some in early for each in self._tracked(some, focus)]
        passed = self._hook(after, merged(tracked), dropped)
        self.is_routed = bool(passed)
        local: list[PacketClass] = []
        forwarded: list[PacketClass] = []
        for some in passed:
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

    def _start(self, focus: PacketClass | None) -> PacketClass:
        sets = dict(zip(Variable, self._space.everything(), strict=True))
        if focus is not None:
            flow = Flow(self._space.of(Variable.FLOW).first(focus.sets[Variable.FLOW]))
            source, destination = addresses(flow)
            sets |= dict(zip(Variable, focus.sets, strict=True))
            sets[Variable.SOURCE], sets[Variable.DESTINATION] = focus.sets[source], focus.sets[destination]
            if flow in RELATED:
                sets[Variable.PROTOCOL] = 1 << ICMP
            if flow is Flow.REPLY:
                there, back = Variable.SOURCE_PORT, Variable.DESTINATION_PORT
                sets[there], sets[back] = focus.sets[back], focus.sets[there]
        sets[Variable.FLOW] = 1 << Flow.UNSEEN
        # No mark, no traffic class, no link to leave by.
        return PacketClass(tuple(sets[variable] for variable in Variable), (0,) * len(Register))

    def _tracked(self, packets: PacketClass, focus: PacketClass | None) -> Iterator[PacketClass]:
        """Yield packets in every state of connection tracking that they can be in."""
        for each in states(packets, self._space):
            sets = each.sets if focus is None else tuple(a & b for a, b in zip(each.sets, focus.sets, strict=True))
            if all(sets):
                narrowed = each._replace(sets=sets)
                if focus is not None:
                    narrowed = narrowed._replace(agree=focus.agree, differ=focus.differ)
                yield narrowed

    def _hook(
        self, bases: Iterable[tuple[Table, Chain]], packets: list[PacketClass], dropped: list[PacketClass]
    ) -> list[PacketClass]:
        """Packets that all base chains of a hook accept."""
        for table, base in bases if packets else ():
            assert base.hook is not None
            passage = self._passage(table, base, packets)
            self.entered |= passage.entered
            accepts = base.hook.policy == "accept"
            (passage.accepted if accepts else passage.dropped).extend(passage.returned)
            if passage.returned:
                self.trace.append(Step(f"{table} {base.name} policy {base.hook.policy}"))
            dropped += passage.dropped
            packets = merged(passage.accepted)
        return packets

    def _called(self, table: Table, name: str, packets: list[PacketClass]) -> Passage:
        """Walk packets through a chain that another chain sends them to."""
        chain = table.chains[name]
        if self._is_traced:
            return self._passage(table, chain, packets)
        key = self._numbers[str(table)][name], tuple(packets)
        found = self._memory.passages.get(key)
        if found is None:
            found = self._memory.passages[key] = self._passage(table, chain, packets)
        return found

    def _passage(self, table: Table, chain: Chain, packets: list[PacketClass]) -> Passage:
        """Walk packets through a chain."""
        passage = Passage(entered={(str(table), chain.name)})
        for rule in chain.rules:
            if not packets:
                break
            after = self._rule(table, chain, rule, packets, passage)
            # Where nothing was split, nothing can be joined.
            packets = merged(after) if len(after) > len(packets) else after
        passage.returned = merged([*packets, *passage.returned])
        return passage

    def _rule(
        self, table: Table, chain: Chain, rule: Rule, packets: list[PacketClass], passage: Passage
    ) -> list[PacketClass]:
        """Packets that go on to the next rule."""
        on: list[PacketClass] = []
        step = Step(f"{table} {chain.name}", rule.handle)
        try:
            for statement in rule.statements:
                if not packets:
                    return on
                if isinstance(statement, Match):
                    matched = [self._lookups.match(statement, each) for each in packets]
                    packets = [each for some, _ in matched for each in some]
                    on += (each for _, others in matched for each in others)
                elif isinstance(statement, Assign):
                    packets = list(self._assign(statement, packets, on))
                elif isinstance(statement, Limited):
                    on += (each if statement.over else each._replace(is_limited=True) for each in packets)
                    packets = [each._replace(is_limited=True) if statement.over else each for each in packets]
                elif isinstance(statement, NoTrack):
                    packets = [without_tracking(each) for each in packets]
                elif isinstance(statement, Decide):
                    self.trace.append(step)
                    back = self._decide(table, statement.verdict, packets, passage)
                    packets = back if statement.verdict.kind == "continue" else []
                    on += [] if statement.verdict.kind == "continue" else back
                else:
                    packets = self._dispatch(table, statement, packets, step, passage, on)
        except Unmodelled as error:
            if error.where == "ruleset":
                where = f"table {table}, chain {chain.name}, handle {rule.handle}"
                raise Unmodelled(error.what, where) from error
            raise
        if packets:
            self.trace.append(step)
        return on + packets

    def _assign(self, statement: Assign, packets: list[PacketClass], on: list[PacketClass]) -> Iterator[PacketClass]:
        register = {"meta mark": Register.MARK, "meta priority": Register.PRIORITY}[statement.field.name]
        for each in packets:
            for some, value, is_there in self._lookups.values(statement.value, each):
                if is_there:
                    yield some.with_register(register.value, value)
                else:
                    on.append(some)

    def _dispatch(
        self,
        table: Table,
        statement: Dispatch,
        packets: list[PacketClass],
        step: Step,
        passage: Passage,
        on: list[PacketClass],
    ) -> list[PacketClass]:
        """Packets for which the same rule goes on."""
        by_verdict: dict[Verdict, list[PacketClass]] = {}
        for each in packets:
            for outcome in self._lookups.look_up(statement.key, statement.elements, each):
                if outcome.is_hit and isinstance(outcome.value, Verdict):
                    by_verdict.setdefault(outcome.value, []).append(outcome.packets)
                else:
                    on.append(outcome.packets)
        going_on: list[PacketClass] = []
        if by_verdict:
            self.trace.append(step)
        for verdict, some in by_verdict.items():
            back = self._decide(table, verdict, some, passage)
            (going_on if verdict.kind == "continue" else on).extend(back)
        return going_on

    def _decide(
        self, table: Table, verdict: Verdict, packets: list[PacketClass], passage: Passage
    ) -> list[PacketClass]:
        """Packets that go on after a verdict: with the next rule, or with the same one after `continue`."""
        if verdict.kind == "accept":
            passage.accepted += packets
        elif verdict.kind == "drop":
            passage.dropped += packets
        elif verdict.kind == "return":
            passage.returned += packets
        elif verdict.kind == "continue":
            return packets
        else:
            called = self._called(table, verdict.chain, packets)
            passage.accepted += called.accepted
            passage.dropped += called.dropped
            passage.entered |= called.entered
            if verdict.kind == "jump":
                return called.returned
            passage.returned += called.returned
        return []

    def _route(self, packets: PacketClass) -> Iterator[tuple[Way, PacketClass]]:
        """Split a class by the way that routing rules and routes lead it."""
        mark = packets.registers[Register.MARK.value]
        if mark is None:
            raise Unmodelled("a mark that is not known", "routing")
        addresses_of = self._space.of(Variable.DESTINATION)
        own, left = addresses_of.atoms_in(self._routing.own()), []
        for some, source, _ in _by_ends(packets):
            if forged := some.sets[source] & own:
                yield Way.NOWHERE, some.with_set(source, forged)
            if others := some.sets[source] & ~own:
                left.append(some.with_set(source, others))
        for rule in self._routing.rules:
            if mark & rule.mask != rule.mark:
                continue
            for route in self._routing.routes.get(rule.table, ()):
                atoms = addresses_of.atoms_in([route.destination])
                remaining: list[PacketClass] = []
                for each in left:
                    for some, _, variable in _by_ends(each):
                        if inside := some.sets[variable] & atoms:
                            way = Way.NOWHERE if route.way is Way.FORWARD and not self._routing.forwards else route.way
                            found = some.with_set(variable, inside)
                            yield way, found.with_register(Register.LINK_OUT.value, route.link)
                        if outside := some.sets[variable] & ~atoms:
                            remaining.append(some.with_set(variable, outside))
                left = remaining
        for each in left:
            yield Way.NOWHERE, each


def _by_ends(packets: PacketClass) -> Iterator[tuple[PacketClass, Variable, Variable]]:
    """Split a class by the variables that its packets' source and destination are."""
    together: dict[tuple[Variable, Variable], int] = {}
    for number in ones(packets.sets[Variable.FLOW]):
        ends = addresses(Flow(number))
        together[ends] = together.get(ends, 0) | 1 << number
    for (source, destination), own in together.items():
        yield packets.with_set(Variable.FLOW, own), source, destination


def _settled(packets: PacketClass) -> PacketClass:
    """This class without what no longer matters: of its registers, the link that it leaves by stays."""
    return packets._replace(registers=(None, None, packets.registers[Register.LINK_OUT.value]))
