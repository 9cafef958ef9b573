"""The universes of a ruleset and a policy, and what expressions mean in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.proof.errors import Unmodelled
from harness.proof.fields import KINDS, RELATED, Flow, Kind, Register, Variable, view
from harness.proof.intervals import Interval
from harness.proof.meaning import ADDRESS_BITS, compared_bits, leaf_of, preimage
from harness.proof.ruleset import Concat, Dispatch, Elements, Expression, Hash, MapLookup, Match, Ruleset
from harness.proof.ruleset import parts_of as parts_of_statement
from harness.proof.universe import Universe

_BYTES = tuple((value, value) for value in range(256))
_PORTS = (0, 0xFFFF)


@dataclass(frozen=True)
class Space:
    """Universes by kind of value."""

    universes: dict[Kind, Universe]

    def of(self, variable: Variable) -> Universe:
        """The universe of a variable."""
        return self.universes[KINDS[variable]]

    def everything(self) -> tuple[int, ...]:
        """All values of each variable."""
        return tuple(self.of(variable).everything for variable in Variable)


def space_of(ruleset: Ruleset, links: Iterable[int], addresses: Iterable[Interval], ports: Iterable[Interval]) -> Space:
    """Cuts the universes where a ruleset does, and where its environment does.

    Args:
        links: indexes of the links that packets arrive by.
        addresses, ports: further cuts.
    """
    cuts: defaultdict[Kind, set[Interval]] = defaultdict(set)
    cuts[Kind.ADDRESS].update(addresses)
    cuts[Kind.PORT].update(ports)
    for key, elements in _lookups(ruleset):
        parts = key.parts if isinstance(key, Concat) else (key,)
        for at, part in enumerate(parts):
            kind = None if isinstance(part, Hash) else _kind_of(part)
            if kind in (Kind.ADDRESS, Kind.PORT):
                of_part = {element.key[at] for element in elements if element.key is not None}
                cuts[kind].update(each for interval in of_part for each in preimage(part, kind, interval))
    return Space(
        {
            Kind.FLOW: _single(Flow),
            Kind.LINK: _single(links),
            Kind.BYTE: _single(value for value, _ in _BYTES),
            Kind.ADDRESS: Universe([(0, ADDRESS_BITS)], cuts[Kind.ADDRESS]),
            Kind.PORT: Universe([_PORTS], cuts[Kind.PORT]),
        }
    )


def _single(values: Iterable[int]) -> Universe:
    """A universe whose atoms are single values."""
    intervals = [(value, value) for value in values]
    return Universe(intervals, intervals)


def _lookups(ruleset: Ruleset) -> Iterator[tuple[Expression, Elements]]:
    for statement in ruleset.statements():
        if isinstance(statement, Match) and compared_bits(statement) is not None:
            continue
        if isinstance(statement, Match):
            yield statement.left, statement.right
        if isinstance(statement, Dispatch):
            yield statement.key, statement.elements
        for part in parts_of_statement(statement):
            if isinstance(part, MapLookup):
                yield part.key, part.elements


def _kind_of(expression: Expression) -> Kind | None:
    """Kind of the variable that a field reads of any packet; None if it reads none."""
    leaf = leaf_of(expression)
    for flow in (Flow.ORIGINAL, *RELATED[:1]):
        try:
            of = view(leaf, flow).of
        except Unmodelled:
            continue
        if isinstance(of, Variable):
            return KINDS[of]
        if isinstance(of, Register):
            return None
    return None
