"""Matrix of a policy: who may open what to whom, by the groups and machines that its rules name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from appliance.model.policy import ANYONE, Policy, Rule, Selector, SelectorKind
from appliance.model.reach import Reach, TooMuchWork
from appliance.model.services import ServiceRange
from appliance.model.verdict import ConnectionEnd

MOST_WORK = 50_000
"""Limit of the work on a matrix (`Reach`): some tens of milliseconds."""


@dataclass(frozen=True)
class Party:
    """Machines that share a row and a column.

    Attributes:
        selector: names them; None for machines that no rule names but as any machine, and for a part of another party.
        ids: of its machines; never empty.
    """

    selector: Selector | None
    ids: tuple[str, ...]

    @property
    def group(self) -> str | None:
        """Name of the group that it is; None if it is none."""
        return None if self.selector is None else self.selector.group


class CellKind(str, Enum):
    """Answer of a cell.

    ``SAME`` is the same services for each pair of machines; ``MIXED`` is more for some pairs than for others;
    ``ITSELF`` has no pair, as both sides are one machine; ``SKIPPED`` would be too much work.
    """

    ALLOWED = "allowed"
    DENIED = "denied"
    SAME = "same"
    MIXED = "mixed"
    ITSELF = "itself"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Cell:
    """Services that machines of one party may open to machines of another.

    Attributes:
        some: what at least one pair of them may use.
        rest: all other services.
    """

    kind: CellKind
    some: tuple[ServiceRange, ...] = ()
    rest: tuple[ServiceRange, ...] = ()


class Matrix:
    """Matrix of a policy and the machines that it is about.

    Attributes:
        parties: groups that rules name, by name; machines that rules name; last, all other machines. A group without
            machines is left out.

    Raises:
        TooMuchWork: the policy names too many different services for too many ends.
    """

    def __init__(self, policy: Policy, machines: Sequence[ConnectionEnd], *, most_work: int = MOST_WORK) -> None:
        self._policy = policy
        self._reach = Reach([policy], machines, most_work=most_work)
        self._sources = _places(each.ids for each in self._reach.sources)
        self._destinations = _places(each.ids for each in self._reach.destinations)
        self._described: dict[int, tuple[ServiceRange, ...]] = {}
        self._cells: dict[frozenset[int], Cell] = {}
        self.parties = parties_of(policy, machines)

    def find(self, selector: Selector | None) -> Party | None:
        """Find the party of a selector, or make the one of a machine that no rule names; None if there is none."""
        found = next((party for party in self.parties if party.selector == selector), None)
        if found is None and selector is not None and selector.group is None and selector.name in self._sources:
            return Party(selector, (selector.name,))
        return found

    def split(self, party: Party) -> list[Party]:
        """Split a party into machines that the policy can't tell apart; between such parties no cell is mixed."""
        alike: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for machine in party.ids:
            alike[self._sources[machine], self._destinations[machine]].append(machine)
        return [Party(None, tuple(ids)) for ids in alike.values()]

    def rows(self, sources: Sequence[Party], destinations: Sequence[Party]) -> list[list[Cell]]:
        """Compute a part of the matrix; cells are skipped after too much work."""
        columns = [_members(party.ids, self._destinations) for party in destinations]
        masks = [sum(1 << place for place in column) for column in columns]
        among = sorted({place for column in columns for place in column})
        known: dict[int, Mapping[tuple[int, ...], int]] = {}
        rows = []
        for party in sources:
            members = _members(party.ids, self._sources)
            try:
                for place in members.keys() - known.keys():
                    known[place] = self._reach.row(self._reach.sources[place], among)
            except TooMuchWork:
                rows.append([Cell(CellKind.SKIPPED)] * len(columns))
                continue
            rows.append([self._cell(members, column, mask, known) for column, mask in zip(columns, masks, strict=True)])
        return rows

    def rules_between(self, source: Party, destination: Party) -> list[Rule]:
        """Rules that match a connection from the one party to the other."""
        sources = {
            each for place in _members(source.ids, self._sources) for each in self._reach.sources[place].selectors
        }
        destinations = {
            each
            for place in _members(destination.ids, self._destinations)
            for each in self._reach.destinations[place].selectors
        }
        return [rule for rule in self._policy.rules if rule.source in sources and rule.destination in destinations]

    def _cell(
        self,
        sources: Mapping[int, list[str]],
        destinations: Mapping[int, list[str]],
        mask: int,
        known: Mapping[int, Mapping[tuple[int, ...], int]],
    ) -> Cell:
        found: set[int] = set()
        for place, machines in sources.items():
            for (services,), places in known[place].items():
                hit = places & mask
                # No machine reaches itself through the hub.
                is_itself = len(machines) == 1 == hit.bit_count() and destinations[hit.bit_length() - 1] == machines
                if hit and not is_itself:
                    found.add(services)
        if not found:
            return Cell(CellKind.ITSELF)
        same = frozenset(found)
        cell = self._cells.get(same)
        if cell is None:
            cell = self._cells[same] = self._cell_of(same)
        return cell

    def _cell_of(self, found: frozenset[int]) -> Cell:
        """Make the cell whose pairs of machines may use these sets of services."""
        some = 0
        for services in found:
            some |= services
        everything = self._reach.space.everything
        kind = CellKind.MIXED
        if len(found) == 1:
            kind = CellKind.ALLOWED if some == everything else CellKind.SAME if some else CellKind.DENIED
        return Cell(kind, self._ranges(some), self._ranges(everything & ~some))

    def _ranges(self, services: int) -> tuple[ServiceRange, ...]:
        found = self._described.get(services)
        if found is None:
            found = self._described[services] = tuple(self._reach.space.ranges(services))
        return found


def parties_of(policy: Policy, machines: Sequence[ConnectionEnd]) -> tuple[Party, ...]:
    """Parties of a policy's matrix, without the work of the matrix itself."""
    named = {end for rule in policy.rules for end in (rule.source, rule.destination) if end != ANYONE}
    groups: dict[str, list[str]] = {end.name: [] for end in named if end.group is not None}
    single = {end.name: end for end in named if end.group is None}
    machines_named, others = [], []
    for machine in machines:
        of_these = [groups[name] for name in machine.groups if name in groups]
        for members in of_these:
            members.append(machine.id)
        if machine.id in single:
            machines_named.append(Party(single[machine.id], (machine.id,)))
        elif not of_these:
            others.append(machine.id)
    return (
        *(
            Party(Selector(SelectorKind.GROUP, name), tuple(members))
            for name, members in sorted(groups.items(), key=lambda each: (each[0].casefold(), each[0]))
            if members
        ),
        *machines_named,
        *([Party(None, tuple(others))] if others else []),
    )


def _places(classes: Iterable[Iterable[str]]) -> dict[str, int]:
    return {machine: place for place, ids in enumerate(classes) for machine in ids}


def _members(ids: Iterable[str], places: Mapping[str, int]) -> dict[int, list[str]]:
    """Sort machines by the places of their classes."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for machine in ids:
        found[places[machine]].append(machine)
    return dict(found)
