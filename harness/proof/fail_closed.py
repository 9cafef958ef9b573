"""Proof that a namespace fails closed: whatever is deleted in it, nothing passes that the policy denies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from harness.proof.atoms import Engine, Fate, Final
from harness.proof.counterexample import counterexample
from harness.proof.damage import Damages, Deletion, Part, damages, left_of
from harness.proof.fields import Flow, Variable, addresses
from harness.proof.judgement import Difference
from harness.proof.passages import Memory
from harness.proof.policy import Policy
from harness.proof.proof import SHOWN, Question, question
from harness.proof.readback import Reading
from harness.proof.universe import ones
from harness.proof.words import Counterexample


@dataclass(frozen=True)
class Opening:
    """Deletions after which a packet passes that the policy denies."""

    deletions: tuple[Deletion, ...]
    example: Counterexample

    @property
    def commands(self) -> tuple[str, ...]:
        """The deletions as somebody would type them."""
        return tuple(each.command for each in self.deletions)

    def __str__(self) -> str:
        return f"after {' and '.join(self.commands)}:\n{self.example}"


@dataclass(frozen=True)
class FailClosed:
    """Result for all deletions in one namespace.

    Attributes:
        deletions: number of single deletions, by kind of object.
        refused: number of deletions that the kernel refuses, by kind of object.
        pairs: number of pairs of deletions; 0 if they were not asked for.
        evaluated: number of different states that deletions leave.
        openings: the first of them; none proves it.
        seconds: duration of the proof.
    """

    deletions: Mapping[str, int]
    refused: Mapping[str, int]
    pairs: int
    evaluated: int
    openings: Sequence[Opening]
    seconds: float

    @property
    def holds(self) -> bool:
        """True if no deletion opens anything."""
        return not self.openings


def fail_closed(reading: Reading, policy: Policy, *, pairs: bool = False, most: int = SHOWN) -> FailClosed:
    """Deletes each object of a namespace, and compares what passes then with the policy.

    Args:
        pairs: every two of them, too.
        most: number of openings at most.

    Raises:
        Unmodelled: a part of what was read has no meaning here.
    """
    start = time.monotonic()
    asked = question(reading, policy)
    found = damages(asked.ruleset, asked.routing, reading.listing, reading.link_indexes)
    search = _Search(asked)
    openings: list[Opening] = []
    opening: set[Deletion] = set()
    for deletions in _chosen(found, pairs=pairs):
        # A pair tells nothing new where one of the two opens by itself.
        example = None if opening.intersection(deletions) else search.opened(deletions)
        if example is not None:
            if len(deletions) == 1:
                opening.update(deletions)
            openings.append(Opening(deletions, example))
            if len(openings) == most:
                break
    count = len(found.deletions)
    return FailClosed(
        Counter(each.kind for each in found.deletions),
        found.refused,
        count * (count - 1) // 2 if pairs else 0,
        search.evaluated,
        tuple(openings),
        time.monotonic() - start,
    )


def _chosen(found: Damages, *, pairs: bool) -> Iterator[tuple[Deletion, ...]]:
    yield from ((each,) for each in found.deletions)
    if pairs:
        yield from combinations(found.deletions, 2)


class _Search:
    """Walks through what deletions leave, each different state once."""

    def __init__(self, asked: Question) -> None:
        self._asked = asked
        self._memory = Memory(asked.space)
        self._seen: set[frozenset[Part]] = set()
        # Chains that packets came to, and whether they came to routes.
        self._met: dict[frozenset[Part], tuple[set[tuple[str, str]], bool]] = {}
        # Most packets pass, or not, as they did after other deletions.
        self._cleared: set[Final] = set()

    @property
    def evaluated(self) -> int:
        return len(self._seen)

    def opened(self, deletions: tuple[Deletion, ...]) -> Counterexample | None:
        """A packet that passes after these deletions though the policy denies it.

        None if there is none, or if the same state was looked at before.
        """
        gone = frozenset[Part]().union(*(each.parts for each in deletions))
        if gone in self._seen or any(self._is_useless(one, gone) for one in deletions):
            return None
        self._seen.add(gone)
        ruleset, routing = left_of(self._asked.ruleset, self._asked.routing, gone)
        engine = Engine(ruleset, routing, self._memory)
        passing = engine.passing()
        if len(deletions) == 1:
            self._met[gone] = engine.entered, engine.is_routed
        passing = [each for each in passing if each.fate is Fate.FORWARDED and each not in self._cleared]
        for each in self._asked.judge.differences(passing):
            for possible in self._without_hub(each):
                return counterexample(possible, engine, self._asked.space)
        self._cleared.update(passing)
        return None

    def _is_useless(self, first: Deletion, gone: frozenset[Part]) -> bool:
        """Tells whether no packet comes to what is gone beside the first, once that is."""
        met = self._met.get(first.parts)
        if met is None or gone == first.parts:
            return False
        entered, is_routed = met
        return not any(
            part[1:3] in entered if part[0] in ("rule", "chain") else is_routed or part[0] == "table"
            for part in gone - first.parts
        )

    def _without_hub(self, difference: Difference) -> Iterator[Difference]:
        """Packets of a difference that are neither from the hub's own address nor to it.

        No machine has it, so WireGuard lets none send from it, and takes no packet to it. The kernel knows it only
        while its route is there.
        """
        packets, hub = difference.packets, self._asked.hub
        for number in ones(packets.sets[Variable.FLOW]):
            others = {each: packets.sets[each] & ~hub for each in addresses(Flow(number))}
            if all(others.values()):
                yield replace(difference, packets=packets.with_sets({Variable.FLOW: 1 << number, **others}))
