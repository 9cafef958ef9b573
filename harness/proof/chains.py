"""Classes of packets on their way through chains and rules.

A lookup with n elements over k variables splits a class into at most as many parts as there are distinct rows among its
elements, k deep. Classes that differ in one variable alone are merged after each rule, so their number stays near the
number of distinct rows of the whole policy; buckets of a hash add nothing that lasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.proof.buckets import HashTable
from harness.proof.classes import Number, PacketClass, merged
from harness.proof.compiled import Lead, leads_of
from harness.proof.errors import Unmodelled
from harness.proof.fields import Register
from harness.proof.hulls import Hull, hulls
from harness.proof.passages import Memory, Passage
from harness.proof.ruleset import (
    Assign,
    Chain,
    Decide,
    Dispatch,
    Hash,
    Limited,
    Match,
    NoTrack,
    Rule,
    Statement,
    Table,
    Verdict,
)
from harness.proof.spreading import OfBuckets, cut_to_buckets, is_plain
from harness.proof.tracking import without_tracking

_NOTHING: tuple[Number, ...] = (None,) * len(Register)


@dataclass(frozen=True)
class Step:
    """A rule whose conditions a packet met, or a decision of the kernel."""

    where: str
    handle: int = 0

    def __str__(self) -> str:
        return f"{self.where} handle {self.handle}" if self.handle else self.where


class Chains:
    """Walks classes through the chains of a ruleset.

    Args:
        memory: of this ruleset, and of others.

    Attributes:
        trace: rules met since `begin`, in order.
    """

    def __init__(self, tables: Iterable[Table], memory: Memory) -> None:
        self._lookups = memory.lookups
        self._memory = memory
        self._numbers = {str(table): memory.numbers(table) for table in tables}
        self._is_traced = False
        self.trace: list[Step] = []

    def begin(self, *, is_traced: bool) -> None:
        """Begins a walk.

        Args:
            is_traced: it is one of a single packet, and the rules that it meets are of interest.
        """
        self._is_traced, self.trace = is_traced, []

    def _called(self, table: Table, name: str, packets: list[PacketClass]) -> Passage:
        """Walks packets through a chain that another chain sends them to."""
        chain = table.chains[name]
        if self._is_traced:
            return self.walk(table, chain, packets)
        number = self._numbers[str(table)][name]
        reads = self._memory.reads(table, name, number)
        if reads.is_pointwise:
            # A box may have packets that never come here, of which an expression has no meaning.
            with suppress(Unmodelled):
                return self._in_boxes(table, chain, number, hulls(packets, reads, self._memory.everything))
        key = number, tuple(packets)
        found = self._memory.passages.get(key)
        if found is None:
            found = self._memory.passages[key] = self.walk(table, chain, packets)
        return found

    def _in_boxes(self, table: Table, chain: Chain, number: int, boxes: Iterable[Hull]) -> Passage:
        """Walks boxes through a chain, and cuts what becomes of them to the packets in them."""
        passage = Passage()
        for each in boxes:
            found = self._memory.of_box(number, each.box, lambda box: self.walk(table, chain, [box]))
            passage.returned += each.cut(found.returned)
            passage.accepted += each.cut(found.accepted)
            passage.dropped += each.cut(found.dropped)
            passage.entered |= found.entered
        passage.returned = merged(passage.returned)
        passage.dropped = merged(passage.dropped)
        return passage

    def walk(self, table: Table, chain: Chain, packets: list[PacketClass]) -> Passage:
        """Walks packets through a chain."""
        passage = Passage(entered={(str(table), chain.name)})
        for rule in chain.rules:
            if not packets:
                break
            self._memory.walked += len(packets)
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
                packets = self._statement(table, statement, packets, step, passage, on)
        except Unmodelled as error:
            if error.where == "ruleset":
                where = f"table {table}, chain {chain.name}, handle {rule.handle}"
                raise Unmodelled(error.what, where) from error
            raise
        if packets:
            self.trace.append(step)
        return on + packets

    def _statement(
        self,
        table: Table,
        statement: Statement,
        packets: list[PacketClass],
        step: Step,
        passage: Passage,
        on: list[PacketClass],
    ) -> list[PacketClass]:
        """Packets that go on to the rule's next statement; those that go on to the next rule are added to ``on``."""
        if isinstance(statement, Match):
            matched = [self._lookups.match(statement, each) for each in packets]
            on += (each for _, others in matched for each in others)
            return [each for some, _ in matched for each in some]
        if isinstance(statement, Assign):
            return list(self._assign(statement, packets, on))
        if isinstance(statement, Limited):
            on += (each if statement.over else each._replace(is_limited=True) for each in packets)
            return [each._replace(is_limited=True) if statement.over else each for each in packets]
        if isinstance(statement, NoTrack):
            return [without_tracking(each) for each in packets]
        if isinstance(statement, Decide):
            self.trace.append(step)
            back = self._decide(table, statement.verdict, packets, passage)
            if statement.verdict.kind == "continue":
                return back
            on += back
            return []
        return self._dispatch(table, statement, packets, step, passage, on)

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
        going_on: list[PacketClass] = []
        # A walk with one packet shows the rules of its own bucket alone.
        if isinstance(statement.key, Hash) and not self._is_traced:
            packets = self._spread(table, statement, statement.key, packets, passage, on, going_on)
        by_verdict: dict[Verdict, list[PacketClass]] = {}
        for each in packets:
            for outcome in self._lookups.look_up(statement.key, statement.elements, each):
                if outcome.is_hit and isinstance(outcome.value, Verdict):
                    by_verdict.setdefault(outcome.value, []).append(outcome.packets)
                else:
                    on.append(outcome.packets)
        if by_verdict:
            self.trace.append(step)
        for verdict, some in by_verdict.items():
            back = self._decide(table, verdict, some, passage)
            (going_on if verdict.kind == "continue" else on).extend(back)
        return going_on

    def _spread(
        self,
        table: Table,
        statement: Dispatch,
        key: Hash,
        packets: list[PacketClass],
        passage: Passage,
        on: list[PacketClass],
        going_on: list[PacketClass],
    ) -> list[PacketClass]:
        """Sends packets of all buckets through all chains; those for which this tells nothing are returned."""
        leads = leads_of(key, statement.elements)
        if not all(is_plain(table, value) for _, value in leads if isinstance(value, Verdict)):
            return packets
        left: list[PacketClass] = []
        together: dict[tuple[HashTable, object], list[PacketClass]] = {}
        for each in packets:
            for some, hashes, _ in self._lookups.hashed(key, each):
                known, others = (None, [some]) if hashes is None or None in some.registers else hashes.known(some)
                left += others
                if hashes is not None and known is not None:
                    together.setdefault((hashes, known[1:]), []).append(known)
        places = {
            "on": on,
            "same rule": going_on,
            "returned": passage.returned,
            "accepted": passage.accepted,
            "dropped": passage.dropped,
        }
        for (hashes, _), alike in together.items():
            outcomes = self._in_buckets(table, leads, alike, passage.entered)
            if outcomes is None:
                left += alike
                continue
            for kind, some in cut_to_buckets(alike, outcomes, hashes):
                places[kind].append(some)
        return left

    def _in_buckets(
        self,
        table: Table,
        leads: Mapping[Lead, Sequence[int]],
        packets: list[PacketClass],
        entered: set[tuple[str, str]],
    ) -> list[OfBuckets] | None:
        """Gives the outcome of each lead for all packets; None if it has no meaning for packets of other buckets."""
        found: list[OfBuckets] = []
        for (is_hit, value), numbers in leads.items():
            passage, back, kind = Passage(), packets, "on"
            if is_hit and isinstance(value, Verdict):
                try:
                    back = self._decide(table, value, packets, passage)
                except Unmodelled:
                    return None
                kind = "same rule" if value.kind == "continue" else kind
            entered |= passage.entered
            of_kinds = (
                (kind, back),
                ("returned", passage.returned),
                ("accepted", passage.accepted),
                ("dropped", passage.dropped),
            )
            found.append((frozenset(numbers), [(name, each) for name, some in of_kinds for each in some]))
        return found

    def _decide(
        self, table: Table, verdict: Verdict, packets: list[PacketClass], passage: Passage
    ) -> list[PacketClass]:
        """Packets that go on after a verdict: with the next rule, or with the same one after `continue`."""
        if verdict.kind == "accept":
            passage.accepted += packets
        elif verdict.kind == "drop":
            passage.dropped += (each._replace(registers=_NOTHING) for each in packets)
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
