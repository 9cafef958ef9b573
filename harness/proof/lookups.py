"""Evaluation of expressions: splits a class of packets by their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.proof.buckets import HashTable
from harness.proof.classes import PacketClass
from harness.proof.errors import Unmodelled
from harness.proof.fields import (
    BY_OTHER,
    KINDS,
    KNOWN_STATUS,
    Flow,
    Register,
    Source,
    Variable,
    quoted_destination,
    view,
)
from harness.proof.intervals import Interval
from harness.proof.meaning import (
    ADDRESS_BITS,
    applied,
    common_prefix,
    compared_bits,
    leaf_of,
    preimage,
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


class Compiled:
    """Elements of a lookup, in atoms, for keys that are read from the same sources."""

    def __init__(
        self, space: Space, parts: Sequence[Expression], sources: Sequence[Source], elements: Elements
    ) -> None:
        self.variables = tuple(source for source in sources if isinstance(source, Variable))
        if len(set(self.variables)) != len(self.variables):
            raise Unmodelled("a key that reads the same value twice", "ruleset")
        self._fixed = [at for at, source in enumerate(sources) if not isinstance(source, Variable)]
        self.default = next((element.value for element in elements if element.key is None), None)
        self.has_default = any(element.key is None for element in elements)
        self._elements: list[tuple[tuple[Interval, ...], Box, int]] = []
        self.values: list[int | Verdict | None] = []
        numbers: dict[int | Verdict | None, int] = {}
        for element in elements:
            if element.key is None:
                continue
            box = tuple(
                space.of(source).atoms_in(preimage(part, KINDS[source], interval))
                for part, source, interval in zip(parts, sources, element.key, strict=True)
                if isinstance(source, Variable)
            )
            number = numbers.setdefault(element.value, len(numbers))
            if number == len(self.values):
                self.values.append(element.value)
            self._elements.append((tuple(element.key[at] for at in self._fixed), box, number))

    @cached_property
    def _by_values(self) -> dict[tuple[int, ...], list[tuple[Box, int]]] | None:
        """Elements by the fixed part of their key; None if that has ranges."""
        found: dict[tuple[int, ...], list[tuple[Box, int]]] = {}
        for fixed, box, number in self._elements:
            if any(first != last for first, last in fixed):
                return None
            found.setdefault(tuple(first for first, _ in fixed), []).append((box, number))
        return found

    def matching(self, values: tuple[int, ...]) -> list[tuple[Box, int]]:
        """Elements whose fixed part of the key has these values."""
        if self._by_values is not None:
            return self._by_values.get(values, [])
        return [
            (box, number)
            for fixed, box, number in self._elements
            if all(first <= value <= last for value, (first, last) in zip(values, fixed, strict=True))
        ]


class Lookups:
    """Splits classes by expressions.

    Args:
        space: universes that are cut at every constant of the ruleset.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._compiled: dict[tuple[int, tuple[Source, ...]], Compiled] = {}
        self._views: dict[tuple[Expression, int], list[tuple[int, Source | None, int | None]]] = {}
        self._tables: dict[tuple[Hash, tuple[Variable, ...], tuple[int, ...]], HashTable] = {}

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
        """Split a class by the element that its packets find."""
        if isinstance(key, Hash):
            yield from self._look_up_hash(key, elements, packets)
            return
        parts = key.parts if isinstance(key, Concat) else (key,)
        for some, sources in self._read(parts, packets):
            if sources is None:
                yield Outcome(some, is_there=False)
                continue
            yield from self._find(parts, sources, elements, some)

    def values(self, expression: Expression, packets: PacketClass) -> Iterator[tuple[PacketClass, int | None, bool]]:
        """Values of an expression that is written to a register; False: it has none, and the rule ends."""
        if isinstance(expression, Literal):
            yield packets, expression.value, True
        elif isinstance(expression, MapLookup):
            for outcome in self.look_up(expression.key, expression.elements, packets):
                value = outcome.value if isinstance(outcome.value, int) else None
                yield outcome.packets, value, outcome.is_there and outcome.is_hit
        else:
            for some, sources in self._read((expression,), packets):
                if sources is None:
                    yield some, None, False
                elif isinstance(sources[0], Variable):
                    raise Unmodelled(f"a register that is given the value of {leaf_of(expression)}", "ruleset")
                else:
                    value = _fixed_value(expression, sources[0], some)
                    yield some, value, True

    def _read(
        self, parts: Sequence[Expression], packets: PacketClass
    ) -> Iterator[tuple[PacketClass, tuple[Source, ...] | None]]:
        """Split a class by the flows that read a key's parts from different sources."""
        found: list[tuple[PacketClass, tuple[Source, ...] | None]] = [(packets, ())]
        for part in parts:
            after: list[tuple[PacketClass, tuple[Source, ...] | None]] = []
            for some, sources in found:
                if sources is None:
                    after.append((some, None))
                    continue
                for narrowed, source in self._sources(leaf_of(part), some):
                    after.append((narrowed, None if source is None else (*sources, source)))
            found = after
        yield from found

    def _sources(self, leaf: Expression, packets: PacketClass) -> Iterator[tuple[PacketClass, Source | None]]:
        flows = packets.sets[Variable.FLOW]
        views = self._views.get((leaf, flows))
        if views is None:
            views = self._views[leaf, flows] = self._grouped(leaf, flows)
        for own, source, protocols in views:
            some = packets if own == flows else packets.with_set(Variable.FLOW, own)
            if protocols is None:
                yield some, source
                continue
            of_packet = some.sets[Variable.PROTOCOL]
            if inside := of_packet & protocols:
                yield some.with_set(Variable.PROTOCOL, inside), source
            if outside := of_packet & ~protocols:
                yield some.with_set(Variable.PROTOCOL, outside), None

    def _grouped(self, leaf: Expression, flows: int) -> list[tuple[int, Source | None, int | None]]:
        together: dict[tuple[Source | None, int | None], int] = {}
        for number in ones(flows):
            seen = view(leaf, Flow(number))
            atoms = None if seen.protocols is None else sum(1 << each for each in seen.protocols)
            key = seen.of, atoms
            together[key] = together.get(key, 0) | 1 << number
        return [(own, source, atoms) for (source, atoms), own in together.items()]

    def _find(
        self, parts: Sequence[Expression], sources: tuple[Source, ...], elements: Elements, packets: PacketClass
    ) -> Iterator[Outcome]:
        compiled = self._of(parts, sources, elements)
        fixed = [
            _fixed_value(part, source, packets)
            for part, source in zip(parts, sources, strict=True)
            if not isinstance(source, Variable)
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

    def _of(self, parts: Sequence[Expression], sources: tuple[Source, ...], elements: Elements) -> Compiled:
        key = id(elements), sources
        if key not in self._compiled:
            self._compiled[key] = Compiled(self._space, parts, sources, elements)
        return self._compiled[key]

    def _bits(self, match: Match, packets: PacketClass) -> tuple[list[PacketClass], list[PacketClass]]:
        assert match.right[0].key is not None
        wanted = match.right[0].key[0][0]
        if match.left == Field("ct status") and wanted & ~KNOWN_STATUS:
            raise Unmodelled(f"the bits {wanted:#x} of ct status", "ruleset")
        on: list[PacketClass] = []
        off: list[PacketClass] = []
        for some, sources in self._read((match.left,), packets):
            value = None if sources is None else _fixed_value(match.left, sources[0], some)
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
        parts = key.of.parts if isinstance(key.of, Concat) else (key.of,)
        by_bucket = {element.key[0][0]: element.value for element in elements if element.key is not None}
        default = next(((True, element.value) for element in elements if element.key is None), (False, None))
        for some, sources in self._read(parts, packets):
            if sources is None:
                yield Outcome(some, is_there=False)
                continue
            for narrowed, number in self._buckets(key, parts, sources, some):
                numbers = range(key.offset, key.offset + key.modulus) if number is None else (number,)
                # Buckets that lead to the same place are one.
                found = dict.fromkeys((True, by_bucket[each]) if each in by_bucket else default for each in numbers)
                for is_hit, value in found:
                    yield Outcome(narrowed, is_hit=is_hit, value=value)

    def _buckets(
        self, key: Hash, parts: Sequence[Expression], sources: tuple[Source, ...], packets: PacketClass
    ) -> Iterator[tuple[PacketClass, int | None]]:
        """Split a class by its bucket; None is any bucket, of addresses that nothing tells apart."""
        variables = tuple(source for source in sources if isinstance(source, Variable))
        fixed = tuple(
            0 if isinstance(source, Variable) else _fixed_value(part, source, packets)
            for part, source in zip(parts, sources, strict=True)
        )
        known = tuple(value for value in fixed if value is not None)
        if len(known) < len(fixed):
            yield packets, None
            return
        table = self._tables.get((key, variables, known))
        if table is None:
            table = self._tables[key, variables, known] = HashTable(self._space, key, parts, sources, known)
        for sets, number in table.split(tuple(packets.sets[variable] for variable in variables)):
            yield packets.with_sets(dict(zip(variables, sets, strict=True))), number


def _meet(one: Box, other: Box) -> bool:
    for atoms, others in zip(one, other, strict=True):  # noqa: SIM110 - in the innermost loop
        if not atoms & others:
            return False
    return True


def _fixed_value(part: Expression, source: Source, packets: PacketClass) -> int | None:
    """Value of a part that is no variable; None if it isn't known."""
    assert not isinstance(source, Variable)
    value = packets.registers[source.value] if isinstance(source, Register) else source.value
    return None if value is None else applied(part, value)
