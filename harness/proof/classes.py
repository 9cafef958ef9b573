"""Classes of packets: products of sets of atoms, with what rules have written to them so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from harness.proof.fields import Variable


class PacketClass(NamedTuple):
    """Packets that have met the same rules so far.

    Attributes:
        sets: atoms of each variable.
        registers: values of mark, priority and outgoing link; None is a value that is not known.
        agree: bits in which SENDER equals the address that the quoted packet was sent to.
        differ: for each of these masks, they differ in one of its bits at least.
        is_limited: the packet came beyond a rate.
    """

    sets: tuple[int, ...]
    registers: tuple[int | None, ...]
    agree: int = 0
    differ: tuple[int, ...] = ()
    is_limited: bool = False

    def with_set(self, variable: Variable, atoms: int) -> PacketClass:
        """This class with other values of one variable."""
        sets = self.sets
        return self._replace(sets=(*sets[:variable], atoms, *sets[variable + 1 :]))

    def with_sets(self, changed: Mapping[Variable, int]) -> PacketClass:
        """This class with other values of some variables."""
        sets = list(self.sets)
        for variable, atoms in changed.items():
            sets[variable] = atoms
        return self._replace(sets=tuple(sets))

    def with_register(self, register: int, value: int | None) -> PacketClass:
        """This class with another value in a register."""
        registers = self.registers
        return self._replace(registers=(*registers[:register], value, *registers[register + 1 :]))


# Flows first: they differ least where rules look at the connection alone. Then what lookups cut finest.
_ORDER = (
    Variable.FLOW,
    Variable.DESTINATION_PORT,
    Variable.DESTINATION,
    Variable.SOURCE,
    Variable.PROTOCOL,
    Variable.SOURCE_PORT,
    Variable.TYPE,
    Variable.QUOTED,
    Variable.SENDER,
    Variable.LINK,
)


def merged(classes: Iterable[PacketClass]) -> list[PacketClass]:
    """Merge classes that differ in one variable alone.

    Lookups cut classes that their result doesn't tell apart, and buckets of a hash cut them at random. Without merging,
    their number would grow with the product of all lookups.
    """
    given = list(classes)
    if len(given) <= 1:
        return given
    # Sets are long integers; small numbers for them, in the order of a dictionary, are compared and hashed faster.
    numbers: dict[int, int] = {}
    rows = dict.fromkeys(
        (each[1:], tuple([numbers.setdefault(atoms, len(numbers)) for atoms in each.sets])) for each in given
    )
    count = len(rows) + 1
    while 1 < len(rows) < count:
        count = len(rows)
        columns = list(map(set, zip(*(sets for _, sets in rows), strict=True)))
        for variable in _ORDER:
            if len(columns[variable]) == 1:
                continue
            sets_of = list(numbers)
            together: dict[tuple[object, tuple[int, ...], tuple[int, ...]], int] = {}
            for rest, sets in rows:
                key = rest, sets[:variable], sets[variable + 1 :]
                together[key] = together.get(key, 0) | sets_of[sets[variable]]
            if len(together) < len(rows):
                rows = dict.fromkeys(
                    (rest, (*before, numbers.setdefault(atoms, len(numbers)), *after))  # type: ignore[misc]
                    for (rest, before, after), atoms in together.items()
                )
    sets_of = list(numbers)
    return [PacketClass(tuple([sets_of[number] for number in sets]), *rest) for rest, sets in rows]
