"""Numbers that follow from one variable of a packet, such as the class of its source that a map gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from harness.proof.fields import Variable
from harness.proof.intervals import Interval
from harness.proof.meaning import applied
from harness.proof.ruleset import Expression
from harness.proof.universe import union


@dataclass(frozen=True)
class Derived:
    """A number in a register that depends on one variable.

    Packets with different numbers stay in one class until a rule tells the numbers apart.

    Attributes:
        rows: each number with the atoms of the variable that have it; they cover the class.
    """

    variable: Variable
    rows: tuple[tuple[int, int], ...]

    # Classes are compared by it again and again.
    @cached_property
    def _hash(self) -> int:
        return hash((self.variable, self.rows))

    def __hash__(self) -> int:
        return self._hash

    def of(self, expression: Expression) -> int | Derived:
        """The number that an expression makes of this one."""
        return derived(self.variable, ((applied(expression, number), atoms) for number, atoms in self.rows))

    def atoms_in(self, expression: Expression, interval: Interval) -> int:
        """Atoms for which an expression of this number lies in an interval."""
        first, last = interval
        by_number = self._by_number(expression)
        if first == last:
            return by_number.get(first, 0)
        return union(atoms for number, atoms in by_number.items() if first <= number <= last)

    def _by_number(self, expression: Expression) -> dict[int, int]:
        if expression not in self._known:
            found = self.of(expression)
            rows = found.rows if isinstance(found, Derived) else ((found, union(atoms for _, atoms in self.rows)),)
            self._known[expression] = dict(rows)
        return self._known[expression]

    @cached_property
    def _known(self) -> dict[Expression, dict[int, int]]:
        return {}


def derived(variable: Variable, rows: Iterable[tuple[int, int]]) -> int | Derived:
    """A number by the atoms of a variable, which is a plain one if all have the same."""
    together: dict[int, int] = {}
    for number, atoms in rows:
        together[number] = together.get(number, 0) | atoms
    if len(together) == 1:
        return next(iter(together))
    return Derived(variable, tuple(sorted(together.items())))


def joined(parts: Iterable[tuple[int, Derived]]) -> int | Derived | None:
    """One number for several sets of atoms, each with a number of its own.

    Returns:
        None if two numbers of one atom differ.
    """
    some = list(parts)
    variable = some[0][1].variable
    number = derived(
        variable, ((value, atoms & own) for own, each in some for value, atoms in each.rows if atoms & own)
    )
    if isinstance(number, Derived):
        rows = [atoms for _, atoms in number.rows]
        if sum(each.bit_count() for each in rows) != union(rows).bit_count():
            return None
    return number
