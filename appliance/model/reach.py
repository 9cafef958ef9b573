"""Services that machines may open to each other, for all pairs of machines at once.

Machines that the policies can't tell apart as sources form one class, and so do those that they can't tell apart as
destinations. What is worked out for two classes is true for each pair of their machines.
"""

from __future__ import annotations

import functools
import operator
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from appliance.model.policy import ANYONE, Action, Policy, Selector, SelectorKind
from appliance.model.services import ServiceSpace, Used
from appliance.model.verdict import ConnectionEnd

MOST_WORK = 2_000_000
"""Limit of the work on one question, a second or two of processor time."""

_BITS = 4096
"""Bits of a set of services that are joined with another set in the time of a step of work."""
_MOST_BYTES = 32 * 2**20

_Named = tuple[int, ...]
"""Services that rules with the same two ends allow and deny in the first policy, then in the second one."""


class TooMuchWork(Exception):
    """The policies and machines are too many to be compared in bounded time and memory."""


@dataclass(frozen=True)
class MachineClass:
    """Machines that the policies can't tell apart at one end of a connection.

    Attributes:
        ids: in the order of the machines.
        selectors: the policies' selectors that name these machines.
    """

    ids: tuple[str, ...]
    selectors: tuple[Selector, ...]


class Reach:
    """Services that machines may open to each other under several policies.

    Args:
        policies: compared with each other.
        machines: at both ends of the connections.
        asked: further services that have a number in `space`.
        most_work: steps after which `row` gives up.

    Attributes:
        sources, destinations: classes of the machines at each end.
        space: meaning of the sets of services.

    Raises:
        TooMuchWork: the policies name too many different services for too many ends.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        machines: Sequence[ConnectionEnd],
        *,
        asked: Iterable[Used] = (),
        most_work: int = MOST_WORK,
    ) -> None:
        used = {(rule.protocol, rule.ports) for policy in policies for rule in policy.rules}
        self.space = ServiceSpace(used.union(asked))
        self._defaults = [self.space.everything * (policy.default is Action.ALLOW) for policy in policies]
        self._named = _named(policies, self.space)
        # Numbers stand for the ends: they are looked up much faster than selectors.
        numbers = {end: n for n, end in enumerate({end for row in self._named.values() for end in row})}
        self._rows = {
            source: {numbers[end]: named for end, named in row.items()} for source, row in self._named.items()
        }
        self.sources = _classes(machines, self._named)
        self.destinations = _classes(machines, numbers)
        self._ends = [tuple(numbers[end] for end in each.selectors if end in numbers) for each in self.destinations]
        self._step = 1 + self.space.size // _BITS
        self._work_left = most_work

    def row(self, source: MachineClass, among: Iterable[int] | None = None) -> Mapping[tuple[int, ...], int]:
        """Services that machines of a class may open.

        Args:
            among: places in `destinations`; None for all of them.

        Returns:
            Destinations by the sets of services that each policy allows: bit n stands for ``destinations[n]``.

        Raises:
            TooMuchWork: this and the rows before take more than ``most_work`` steps.
        """
        rows = [row for selector in source.selectors if (row := self._rows.get(selector))]
        places = range(len(self.destinations)) if among is None else tuple(among)
        self.spend(len(places) + self._step * sum(map(len, rows)))
        matching = dict(rows[0]) if rows else {}
        for row in rows[1:]:
            for end, named in row.items():
                present = matching.get(end)
                matching[end] = named if present is None else tuple(map(operator.or_, present, named))
        masks: defaultdict[tuple[int, ...], int] = defaultdict(int)
        for place in places:
            masks[tuple([end for end in self._ends[place] if end in matching])] |= 1 << place
        found: defaultdict[tuple[int, ...], int] = defaultdict(int)
        for ends, mask in masks.items():
            self.spend(self._step * len(ends))
            found[self._allowed([matching[end] for end in ends])] |= mask
        return found

    def changed_ends(self) -> tuple[frozenset[Selector], frozenset[Selector]]:
        """Sources and destinations of the rules by which two policies differ, apart from their defaults."""
        changed = [
            (source, end)
            for source, row in self._named.items()
            for end, (allows, denies, allows_then, denies_then) in row.items()
            if (allows, denies) != (allows_then, denies_then)
        ]
        return frozenset(source for source, _ in changed), frozenset(end for _, end in changed)

    def _allowed(self, matching: Sequence[_Named]) -> tuple[int, ...]:
        if not matching:
            return tuple(self._defaults)
        named = (
            matching[0]
            if len(matching) == 1
            else [functools.reduce(operator.or_, each) for each in zip(*matching, strict=True)]
        )
        return tuple(
            (default | named[2 * number]) & ~named[2 * number + 1] for number, default in enumerate(self._defaults)
        )

    def spend(self, steps: int) -> None:
        """Count work; raises `TooMuchWork` once it is more than ``most_work`` steps."""
        self._work_left -= steps
        if self._work_left < 0:
            raise TooMuchWork


def pair_count(sources: Collection[str], destinations: Collection[str]) -> int:
    """Number of pairs of different machines, by their ids."""
    return len(sources) * len(destinations) - len(frozenset(sources).intersection(destinations))


def _named(policies: Sequence[Policy], space: ServiceSpace) -> dict[Selector, dict[Selector, _Named]]:
    found: defaultdict[Selector, dict[Selector, _Named]] = defaultdict(dict)
    nothing = (0,) * (2 * len(policies))
    count = 0
    for place, policy in enumerate(policies):
        for rule in policy.rules:
            row, end = found[rule.source], rule.destination
            named = row.get(end)
            if named is None:
                named = nothing
                count += 1
                if count * space.size // 8 > _MOST_BYTES:
                    raise TooMuchWork
            at = 2 * place + (rule.action is Action.DENY)
            row[end] = (*named[:at], named[at] | space.number(rule.protocol, rule.ports), *named[at + 1 :])
    return dict(found)


def _classes(machines: Iterable[ConnectionEnd], named: Iterable[Selector]) -> list[MachineClass]:
    by_kind: dict[SelectorKind, set[str]] = {kind: set() for kind in SelectorKind}
    for selector in named:
        by_kind[selector.kind].add(selector.name)
    ids, groups = by_kind[SelectorKind.MACHINE], by_kind[SelectorKind.GROUP]
    found: defaultdict[tuple[str, frozenset[str]], list[str]] = defaultdict(list)
    for machine in machines:
        found[machine.id if machine.id in ids else "", machine.groups & groups].append(machine.id)
    return [
        MachineClass(
            tuple(members),
            (
                ANYONE,
                *([Selector(SelectorKind.MACHINE, machine)] if machine else []),
                *(Selector(SelectorKind.GROUP, group) for group in sorted(of_these)),
            ),
        )
        for (machine, of_these), members in found.items()
    ]
