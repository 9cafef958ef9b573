"""Preview of a policy: the connections that it would open and close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.model.policy import Policy
from appliance.model.reach import MOST_WORK, MachineClass, Reach, TooMuchWork, pair_count
from appliance.model.services import ServiceRange
from appliance.model.verdict import ConnectionEnd

MOST_ENTRIES = 500
"""Limit of entries in each list of a preview."""

MOST_NAMED = 20_000
"""Limit of machines that the entries of one list name together; the first entry is always there."""


@dataclass(frozen=True)
class PreviewEntry:
    """Connections that a policy opens or closes: from each source to each other machine among the destinations.

    Attributes:
        sources, destinations: ids of machines.
        services: what is opened or closed between them.
        pairs: number of pairs of different machines.
    """

    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    services: ServiceRange
    pairs: int


@dataclass(frozen=True)
class PreviewList:
    """Entries of a preview, those with the most pairs of machines first.

    Attributes:
        left_out: number of further entries, which have no more pairs than the last one.
    """

    entries: tuple[PreviewEntry, ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class Preview:
    """Differences between two policies.

    Attributes:
        opens: connections that were denied and would be allowed.
        closes: connections that were allowed and would be denied.
        not_compared: number of pairs of machines that were not compared, because it would take too long.
    """

    opens: PreviewList
    closes: PreviewList
    not_compared: int = 0


def compare(before: Policy, after: Policy, machines: Sequence[ConnectionEnd], *, most_work: int = MOST_WORK) -> Preview:
    """List the connections that are allowed by exactly one of two policies.

    Pairs of machines with the same difference share an entry.

    Args:
        most_work: steps of `Reach` after which the pairs of the remaining sources are only counted.
    """
    try:
        reach = Reach([before, after], machines, most_work=most_work)
    except TooMuchWork:
        return Preview(PreviewList(), PreviewList(), len(machines) * (len(machines) - 1))
    sources, destinations = reach.sources, list(range(len(reach.destinations)))
    if before.default is after.default:
        of_sources, of_destinations = reach.changed_ends()
        sources = [each for each in sources if not of_sources.isdisjoint(each.selectors)]
        destinations = [
            place for place in destinations if not of_destinations.isdisjoint(reach.destinations[place].selectors)
        ]
    opens, closes = _Joined(reach), _Joined(reach)
    rest: list[str] = []
    for number, source in enumerate(sources):
        try:
            row = reach.row(source, destinations)
        except TooMuchWork:
            rest = [machine for each in sources[number:] for machine in each.ids]
            break
        opens.add(source, [(has & ~had, mask) for (had, has), mask in row.items()])
        closes.add(source, [(had & ~has, mask) for (had, has), mask in row.items()])
    ends = [machine for place in destinations for machine in reach.destinations[place].ids]
    return Preview(opens.listed(), closes.listed(), pair_count(rest, ends))


class _Joined:
    """Sources by what they gain or lose, and towards whom."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._sources: defaultdict[tuple[int, int], list[MachineClass]] = defaultdict(list)

    def add(self, source: MachineClass, found: Iterable[tuple[int, int]]) -> None:
        masks: defaultdict[int, int] = defaultdict(int)
        space = self._reach.space
        for services, mask in found:
            for all_of_one in (services,) if services == space.everything else space.protocols:
                masks[services & all_of_one] |= mask
        for services, mask in masks.items():
            if services:
                self._sources[services, mask].append(source)

    def listed(self) -> PreviewList:
        sized = []
        for (services, mask), classes in self._sources.items():
            sources = [machine for each in classes for machine in each.ids]
            ends = [machine for place in _places(mask) for machine in self._reach.destinations[place].ids]
            if pairs := pair_count(sources, ends):
                sized.append((pairs, services, sources, ends))
        sized.sort(key=lambda each: (-each[0], *each[1:]))
        entries: list[PreviewEntry] = []
        named = 0
        for pairs, services, sources, ends in sized[:MOST_ENTRIES]:
            named += len(sources) + len(ends)
            if entries and named > MOST_NAMED:
                break
            (described,) = self._reach.space.ranges(services)
            entries.append(PreviewEntry(*_without_themselves(sources, ends), described, pairs))
        return PreviewList(tuple(entries), len(sized) - len(entries))


def _without_themselves(sources: Sequence[str], ends: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Leave out a machine whose only pair in the entry would be with itself."""
    if len(ends) == 1:
        sources = [each for each in sources if each != ends[0]]
    if len(sources) == 1:
        ends = [each for each in ends if each != sources[0]]
    return tuple(sources), tuple(ends)


def _places(mask: int) -> list[int]:
    """Places of the bits that are set."""
    return [place for place, bit in enumerate(reversed(f"{mask:b}")) if bit == "1"]
