"""Outcomes of classes that have walked through chains, which are kept for those that come there later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.proof.classes import Number, PacketClass
from harness.proof.errors import Unmodelled
from harness.proof.fields import Variable
from harness.proof.hulls import Reads
from harness.proof.lookups import Lookups
from harness.proof.ruleset import Table
from harness.proof.space import Space


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

    Attributes:
        walked: number of classes that came to rules, added up over the rules.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.lookups = Lookups(space)
        self.everything = space.everything()
        self.walked = 0
        self.passages: dict[tuple[int, tuple[PacketClass, ...]], Passage] = {}
        self._of_boxes: dict[tuple[int, int, tuple[Number, ...]], list[tuple[PacketClass, Passage | Unmodelled]]] = {}
        self._reads: dict[int, Reads] = {}
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

    def reads(self, table: Table, name: str, number: int) -> Reads:
        """Expressions that a chain reads, and those to which it leads."""
        if number not in self._reads:
            self._reads[number] = Reads(rule for chain in table.reached_from(name) for rule in chain.rules)
        return self._reads[number]

    def of_box(self, number: int, box: PacketClass, walk: Callable[[PacketClass], Passage]) -> Passage:
        """Passage of a box, or of a larger one, through a chain.

        Raises:
            Unmodelled: an expression has no meaning for some packets of the box.
        """
        known = self._of_boxes.setdefault((number, box.sets[Variable.FLOW], box.registers), [])
        for other, passage in known:
            if not any(own & ~of_other for own, of_other in zip(box.sets, other.sets, strict=True)):
                if isinstance(passage, Unmodelled):
                    raise passage
                return passage
        try:
            found = walk(box)
        except Unmodelled as error:
            known.append((box, error))
            raise
        known.append((box, found))
        return found
