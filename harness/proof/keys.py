"""Keys of lookups: the source of each part, which depends on a packet's flow and on what rules wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.proof.classes import PacketClass
from harness.proof.derived import Derived
from harness.proof.errors import Unmodelled
from harness.proof.fields import Flow, Register, Source, Variable, view
from harness.proof.meaning import leaf_of
from harness.proof.ruleset import Concat, Expression, Field
from harness.proof.universe import ones

End = Variable | Derived | int
"""Source of a part of a key: a variable, a number that follows from one, or a known number."""
Ends = tuple[End | None, ...]
"""One for each part; None is a register whose value is not known."""


_STATUS = Field("ct status")


def parts_of_key(key: Expression) -> tuple[Expression, ...]:
    """Expressions of which a key is made."""
    return key.parts if isinstance(key, Concat) else (key,)


def variables_of(ends: Iterable[End | None]) -> tuple[Variable, ...]:
    """Variables that a key depends on."""
    return tuple(
        end.variable if isinstance(end, Derived) else end for end in ends if isinstance(end, (Variable, Derived))
    )


class Keys:
    """Splits classes by what keys are read from."""

    def __init__(self) -> None:
        self._views: dict[tuple[Expression, int], list[tuple[int, Source | None, int | None]]] = {}

    def of(
        self, parts: Sequence[Expression], packets: PacketClass, *, of_bits: bool = False
    ) -> Iterator[tuple[PacketClass, Ends | None]]:
        """Splits a class until each part of a key depends on a variable of its own, or is one number.

        Args:
            of_bits: single bits are asked for. Not all bits of a connection's status follow from the flow.

        Raises:
            Unmodelled: a part has no meaning here.
        """
        if not of_bits and any(leaf_of(part) == _STATUS for part in parts):
            raise Unmodelled("ct status as a whole", "ruleset")
        for some, sources in self._read(parts, packets):
            if sources is None:
                yield some, None
            else:
                yield from self._with_registers(sources, some)

    def _with_registers(self, sources: tuple[Source, ...], packets: PacketClass) -> Iterator[tuple[PacketClass, Ends]]:
        ends: list[End | None] = []
        used = {source for source in sources if isinstance(source, Variable)}
        for source in sources:
            if isinstance(source, Register):
                number = packets.registers[source.value]
                if isinstance(number, Derived):
                    if number.variable in used:
                        for each in packets.resolved(source.value):
                            yield from self._with_registers(sources, each)
                        return
                    used.add(number.variable)
                ends.append(number)
            else:
                ends.append(source if isinstance(source, Variable) else source.value)
        yield packets, tuple(ends)

    def _read(
        self, parts: Sequence[Expression], packets: PacketClass
    ) -> Iterator[tuple[PacketClass, tuple[Source, ...] | None]]:
        """Splits a class by the flows that read a key's parts from different sources."""
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
