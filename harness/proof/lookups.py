"""Evaluation of expressions: splits a class of packets by their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.proof.buckets import MOST_FREE, HashTable
from harness.proof.classes import Number, PacketClass
from harness.proof.compiled import Compiled, leads_of
from harness.proof.derived import Derived
from harness.proof.errors import Unmodelled
from harness.proof.fields import (
    BY_OTHER,
    KNOWN_STATUS,
    Flow,
    Register,
    Variable,
    quoted_destination,
)
from harness.proof.keys import Ends, Keys, parts_of_key, variables_of
from harness.proof.meaning import (
    ADDRESS_BITS,
    applied,
    common_prefix,
    compared_bits,
    leaf_of,
)
from harness.proof.partition import Box, partition
from harness.proof.ruleset import (
    Concat,
    Elements,
    Expression,
    Field,
    Hash,
    Literal,
    MapLookup,
    Match,
    Verdict,
)
from harness.proof.space import Space
from harness.proof.universe import ones


@dataclass(frozen=True)
class Outcome:
    """Result of a lookup for a class.

    Attributes:
        is_there: the key can be read; otherwise the rule ends.
        is_hit: an element has the key, or stands for all others.
    """

    packets: PacketClass
    is_there: bool = True
    is_hit: bool = False
    value: int | Verdict | None = None


class Lookups:
    """Splits classes by expressions.

    Args:
        space: universes that are cut at every constant of the ruleset.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._compiled: dict[tuple[int, tuple[Variable | Derived | None, ...]], Compiled] = {}
        self._keys = Keys()
        self._tables: dict[tuple[Hash, Ends], HashTable] = {}
        self._numbers: dict[tuple[Derived, Expression], int | Derived] = {}

    def match(self, match: Match, packets: PacketClass) -> tuple[list[PacketClass], list[PacketClass]]:
        """Packets for which the rule goes on, and those for which it ends."""
        compared = compared_bits(match)
        if compared is not None:
            equal, unequal = self._compare(compared, packets)
            return (unequal, equal) if match.negated else (equal, unequal)
        if match.any_bit:
            return self._bits(match, packets)
        on: list[PacketClass] = []
        off: list[PacketClass] = []
        for outcome in self.look_up(match.left, match.right, packets):
            (on if outcome.is_there and outcome.is_hit is not match.negated else off).append(outcome.packets)
        return on, off

    def look_up(self, key: Expression, elements: Elements, packets: PacketClass) -> Iterator[Outcome]:
        """Splits a class by the element that its packets find."""
        if isinstance(key, Hash):
            yield from self._look_up_hash(key, elements, packets)
            return
        parts = parts_of_key(key)
        for some, ends in self._keys.of(parts, packets):
            if ends is None:
                yield Outcome(some, is_there=False)
                continue
            yield from self._find(parts, ends, elements, some)

    def values(self, expression: Expression, packets: PacketClass) -> Iterator[tuple[PacketClass, Number, bool]]:
        """Values of an expression that is written to a register; False: it has none, and the rule ends."""
        if isinstance(expression, Literal):
            yield packets, expression.value, True
        elif isinstance(expression, MapLookup):
            yield from self._values_of_map(expression, packets)
        else:
            for some, ends in self._keys.of((expression,), packets):
                if ends is None:
                    yield some, None, False
                elif isinstance(ends[0], Variable):
                    raise Unmodelled(f"a register that is given the value of {leaf_of(expression)}", "ruleset")
                else:
                    yield some, self._number(expression, ends[0]), True

    def hashed(self, key: Hash, packets: PacketClass) -> Iterator[tuple[PacketClass, HashTable | None, bool]]:
        """Splits a class by the table that has its packets' buckets.

        None is a hash of a register that is not known. False: the key can't be read, and the rule ends.
        """
        parts = parts_of_key(key.of)
        for some, ends in self._keys.of(parts, packets):
            if ends is None:
                yield some, None, False
            elif len(variables_of(ends)) > MOST_FREE and any(isinstance(end, Derived) for end in ends):
                for each in some.resolved(*range(len(Register))):
                    yield from self.hashed(key, each)
            else:
                yield some, self._table(key, parts, ends), True

    def _table(self, key: Hash, parts: Sequence[Expression], ends: Ends) -> HashTable | None:
        known = tuple(end for end in ends if end is not None)
        if len(known) < len(ends):
            return None
        table = self._tables.get((key, ends))
        if table is None:
            table = self._tables[key, ends] = HashTable(self._space, key, parts, known)
        return table

    def _values_of_map(self, lookup: MapLookup, packets: PacketClass) -> Iterator[tuple[PacketClass, Number, bool]]:
        if isinstance(lookup.key, (Hash, Concat)):
            for outcome in self.look_up(lookup.key, lookup.elements, packets):
                value = outcome.value if isinstance(outcome.value, int) else None
                yield outcome.packets, value, outcome.is_there and outcome.is_hit
            return
        for some, ends in self._keys.of((lookup.key,), packets):
            if ends is None:
                yield some, None, False
            elif isinstance(ends[0], (Variable, Derived)):
                compiled = self._of((lookup.key,), ends, lookup.elements)
                number, there = compiled.derived
                (variable,) = compiled.variables
                if inside := some.sets[variable] & there:
                    yield some.with_set(variable, inside), number, True
                if outside := some.sets[variable] & ~there:
                    yield some.with_set(variable, outside), None, False
            else:
                for outcome in self._find((lookup.key,), ends, lookup.elements, some):
                    value = outcome.value if isinstance(outcome.value, int) else None
                    yield outcome.packets, value, outcome.is_hit

    def _number(self, expression: Expression, end: Derived | int | None) -> Number:
        if not isinstance(end, Derived):
            return None if end is None else applied(expression, end)
        if (end, expression) not in self._numbers:
            self._numbers[end, expression] = end.of(expression)
        return self._numbers[end, expression]

    def _find(
        self, parts: Sequence[Expression], ends: Ends, elements: Elements, packets: PacketClass
    ) -> Iterator[Outcome]:
        compiled = self._of(parts, ends, elements)
        fixed = [
            None if end is None else applied(part, end)
            for part, end in zip(parts, ends, strict=True)
            if not isinstance(end, (Variable, Derived))
        ]
        known = [value for value in fixed if value is not None]
        if len(known) < len(fixed):
            # It may be any of them.
            for value in compiled.values:
                yield Outcome(packets, is_hit=True, value=value)
            yield Outcome(packets, is_hit=compiled.has_default, value=compiled.default)
            return
        variables = compiled.variables
        box = tuple(packets.sets[variable] for variable in variables)
        elements_met = [element for element in compiled.matching(tuple(known)) if _meet(element[0], box)]
        if not elements_met:
            yield Outcome(packets, is_hit=compiled.has_default, value=compiled.default)
            return
        for part, number in partition(box, elements_met):
            some = packets if part == box else packets.with_sets(dict(zip(variables, part, strict=True)))
            if number is None:
                yield Outcome(some, is_hit=compiled.has_default, value=compiled.default)
            else:
                yield Outcome(some, is_hit=True, value=compiled.values[number])

    def _of(self, parts: Sequence[Expression], ends: Ends, elements: Elements) -> Compiled:
        free = tuple(end if isinstance(end, (Variable, Derived)) else None for end in ends)
        key = id(elements), free
        if key not in self._compiled:
            self._compiled[key] = Compiled(self._space, parts, free, elements)
        return self._compiled[key]

    def _bits(self, match: Match, packets: PacketClass) -> tuple[list[PacketClass], list[PacketClass]]:
        assert match.right[0].key is not None
        wanted = match.right[0].key[0][0]
        if match.left == Field("ct status") and wanted & ~KNOWN_STATUS:
            raise Unmodelled(f"the bits {wanted:#x} of ct status", "ruleset")
        on: list[PacketClass] = []
        off: list[PacketClass] = []
        for some, ends in self._keys.of((match.left,), packets, of_bits=True):
            value = None if ends is None else ends[0]
            assert not isinstance(value, (Variable, Derived))
            (on if value is not None and value & wanted else off).append(some)
        return on, off

    def _compare(self, mask: int, packets: PacketClass) -> tuple[list[PacketClass], list[PacketClass]]:
        equal: list[PacketClass] = []
        unequal: list[PacketClass] = []
        for number in ones(packets.sets[Variable.FLOW]):
            flow, some = Flow(number), packets.with_set(Variable.FLOW, 1 << number)
            if flow not in BY_OTHER:
                # Refused for flows that quote nothing.
                quoted_destination(flow)
                equal.append(some)
                continue
            alike = self._alike(flow, some)
            agree = some.agree | mask
            if all(bits & ~(agree | alike) for bits in (ADDRESS_BITS, *some.differ)):
                equal.append(some._replace(agree=agree))
            if mask & ~(some.agree | alike):
                unequal.append(some._replace(differ=(*some.differ, mask)))
        return equal, unequal

    def _alike(self, flow: Flow, packets: PacketClass) -> int:
        """Leading bits that sender and quoted destination have in common, by the networks that they are in."""
        addresses = self._space.of(Variable.SENDER)
        both = packets.sets[Variable.SENDER] | packets.sets[quoted_destination(flow)]
        return common_prefix(addresses.intervals(both))

    def _look_up_hash(self, key: Hash, elements: Elements, packets: PacketClass) -> Iterator[Outcome]:
        leads = leads_of(key, elements)
        for some, table, is_there in self.hashed(key, packets):
            if not is_there:
                yield Outcome(some, is_there=False)
                continue
            known, others = (None, [some]) if table is None else table.known(some)
            # Each may be in any bucket.
            for narrowed in others:
                for is_hit, value in leads:
                    yield Outcome(narrowed, is_hit=is_hit, value=value)
            by_number = {number: lead for lead, numbers in leads.items() for number in numbers}
            for narrowed, number in table.split(known) if table is not None and known is not None else ():
                is_hit, value = by_number[number]
                yield Outcome(narrowed, is_hit=is_hit, value=value)


def _meet(one: Box, other: Box) -> bool:
    for atoms, others in zip(one, other, strict=True):  # noqa: SIM110 - in the innermost loop
        if not atoms & others:
            return False
    return True
