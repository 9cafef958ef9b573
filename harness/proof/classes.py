"""Classes of packets: products of sets of atoms, with what rules have written to them so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from harness.proof.derived import Derived, joined
from harness.proof.fields import Variable

Number = int | Derived | None
"""Value of a register; None is one that is not known."""


class PacketClass(NamedTuple):
    """Packets that have met the same rules so far.

    Attributes:
        sets: atoms of each variable.
        registers: values of mark, priority and outgoing link.
        agree: bits in which SENDER equals the address that the quoted packet was sent to.
        differ: for each of these masks, they differ in one of its bits at least.
        is_limited: the packet came beyond a rate.
    """

    sets: tuple[int, ...]
    registers: tuple[Number, ...]
    agree: int = 0
    differ: tuple[int, ...] = ()
    is_limited: bool = False

    def with_set(self, variable: Variable, atoms: int) -> PacketClass:
        """This class with other values of one variable."""
        sets = self.sets
        return PacketClass((*sets[:variable], atoms, *sets[variable + 1 :]), *self[1:])

    def with_sets(self, changed: Mapping[Variable, int]) -> PacketClass:
        """This class with other values of some variables."""
        sets = list(self.sets)
        for variable, atoms in changed.items():
            sets[variable] = atoms
        return PacketClass(tuple(sets), *self[1:])

    def with_register(self, register: int, value: Number) -> PacketClass:
        """This class with another value in a register."""
        registers = self.registers
        return self._replace(registers=(*registers[:register], value, *registers[register + 1 :]))

    def resolved(self, *registers: int) -> Iterator[PacketClass]:
        """Splits this class until these registers have one value each."""
        if not registers:
            yield self
            return
        first, *others = registers
        value = self.registers[first]
        if not isinstance(value, Derived):
            yield from self.resolved(*others)
            return
        for number, atoms in value.rows:
            if met := atoms & self.sets[value.variable]:
                yield from self.with_set(value.variable, met).with_register(first, number).resolved(*others)


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
    """Merges classes that differ in one variable alone, or in one and in a number that follows from it.

    Lookups cut classes that their result doesn't tell apart, and buckets of a hash cut them at random. Without merging,
    their number would grow with the product of all lookups.
    """
    given = list(classes)
    if len(given) <= 1:
        return given
    # Sets are long integers; small numbers for them, in the order of a dictionary, are compared and hashed faster.
    # A row has the numbers of a class's sets, and after them that of everything else.
    numbers: dict[int, int] = {}
    rests: dict[tuple[Any, ...], int] = {}
    rows = dict.fromkeys(
        (*[numbers.setdefault(atoms, len(numbers)) for atoms in each[0]], rests.setdefault(each[1:], len(rests)))
        for each in given
    )
    count = len(rows) + 1
    while 1 < len(rows) < count:
        count = len(rows)
        columns = list(map(set, zip(*rows, strict=True)))
        for variable in _ORDER:
            if len(columns[variable]) == 1:
                continue
            sets_of = list(numbers)
            together: dict[tuple[int, ...], int] = {}
            for row in rows:
                key = row[:variable] + row[variable + 1 :]
                together[key] = together.get(key, 0) | sets_of[row[variable]]
            if len(together) < len(rows):
                rows = dict.fromkeys(
                    (*key[:variable], numbers.setdefault(atoms, len(numbers)), *key[variable:])
                    for key, atoms in together.items()
                )
    sets_of, rest_of = list(numbers), list(rests)
    classes = [PacketClass(tuple([sets_of[at] for at in row[:-1]]), *rest_of[row[-1]]) for row in rows]
    return _with_joined_numbers(classes)


def _with_joined_numbers(classes: list[PacketClass]) -> list[PacketClass]:
    """Merges classes that differ in a register and in the variable that its number follows from."""
    of_registers = {each.registers for each in classes}
    for at, values in enumerate(map(set, zip(*of_registers, strict=True))):
        if sum(isinstance(value, Derived) for value in values) > 1:
            classes = list(_joined_in(at, classes))
    return classes


def _joined_in(register: int, classes: Iterable[PacketClass]) -> Iterator[PacketClass]:
    alike: defaultdict[object, list[tuple[PacketClass, Derived]]] = defaultdict(list)
    for each in classes:
        value = each.registers[register]
        if isinstance(value, Derived):
            without = each.with_set(value.variable, 0).with_register(register, None)
            alike[value.variable, without].append((each, value))
        else:
            yield each
    for group in alike.values():
        first, one = group[0]
        number = joined((each.sets[one.variable], value) for each, value in group) if len(group) > 1 else None
        if number is None:
            yield from (each for each, _ in group)
            continue
        atoms = 0
        for each, _ in group:
            atoms |= each.sets[one.variable]
        yield first.with_set(one.variable, atoms).with_register(register, number)
