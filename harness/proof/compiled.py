"""Elements of sets and maps in atoms."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from harness.proof.derived import Derived, derived
from harness.proof.errors import Unmodelled
from harness.proof.fields import KINDS, Variable
from harness.proof.intervals import Interval
from harness.proof.keys import variables_of
from harness.proof.meaning import preimage
from harness.proof.partition import Box, partition
from harness.proof.ruleset import Elements, Expression, Hash, Verdict
from harness.proof.space import Space


class Compiled:
    """Elements of a lookup, in atoms, for keys that depend on the same variables.

    Args:
        ends: one for each part of the key; None is a number that is known when a packet comes.
    """

    def __init__(
        self, space: Space, parts: Sequence[Expression], ends: Sequence[Variable | Derived | None], elements: Elements
    ) -> None:
        self.variables = tuple(variables_of(ends))
        if len(set(self.variables)) != len(self.variables):
            raise Unmodelled("a key that reads the same value twice", "ruleset")
        fixed = [at for at, end in enumerate(ends) if end is None]
        self.default = next((element.value for element in elements if element.key is None), None)
        self.has_default = any(element.key is None for element in elements)
        self._everything = tuple(space.of(variable).everything for variable in self.variables)
        self._elements: list[tuple[tuple[Interval, ...], Box, int]] = []
        self.values: list[int | Verdict | None] = []
        numbers: dict[int | Verdict | None, int] = {}
        for element in elements:
            if element.key is None:
                continue
            box = tuple(
                _atoms(space, part, end, interval)
                for part, end, interval in zip(parts, ends, element.key, strict=True)
                if end is not None
            )
            number = numbers.setdefault(element.value, len(numbers))
            if number == len(self.values):
                self.values.append(element.value)
            self._elements.append((tuple(element.key[at] for at in fixed), box, number))

    @cached_property
    def derived(self) -> tuple[int | Derived | None, int]:
        """The number that a map gives to each value of its one variable, and the atoms for which it has one."""
        (variable,), rows = self.variables, []
        for (atoms,), number in partition(self._everything, [(box, number) for _, box, number in self._elements]):
            value = self.default if number is None else self.values[number]
            if isinstance(value, int):
                rows.append((value, atoms))
        there = 0
        for _, atoms in rows:
            there |= atoms
        return (derived(variable, rows) if rows else None), there

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


Lead = tuple[bool, int | Verdict | None]
"""True if an element has a bucket, and the value that the element has."""


def leads_of(key: Hash, elements: Elements) -> dict[Lead, list[int]]:
    """Buckets by what elements say of them: buckets that lead to the same place are one."""
    by_bucket = {element.key[0][0]: element.value for element in elements if element.key is not None}
    default: Lead = next(((True, element.value) for element in elements if element.key is None), (False, None))
    found: dict[Lead, list[int]] = {}
    for number in range(key.offset, key.offset + key.modulus):
        lead = (True, by_bucket[number]) if number in by_bucket else default
        found.setdefault(lead, []).append(number)
    return found


def _atoms(space: Space, part: Expression, end: Variable | Derived, interval: Interval) -> int:
    if isinstance(end, Derived):
        return end.atoms_in(part, interval)
    return space.of(end).atoms_in(preimage(part, KINDS[end], interval))
