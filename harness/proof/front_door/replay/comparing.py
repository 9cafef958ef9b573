"""The computed fates of all datagrams beside the real ones of some: one for each class of datagrams and contents."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.proof.choice import Unreachable
from harness.proof.front_door.cases import Case
from harness.proof.front_door.enumeration import cases
from harness.proof.front_door.reading import DoorReading
from harness.proof.front_door.replay.replaying import differences, replay
from harness.proof.front_door.statements import Chain, Door, Rule, Statement
from harness.proof.front_door.words import described
from harness.proof.ruleset import Decide, Verdict

_OF_CONTROL = 60
"""Datagrams that are sent beside a wrong meaning; many classes have dropped ones."""


@dataclass(frozen=True)
class DoorComparison:
    """Result of real datagrams beside computed fates.

    Attributes:
        classes: number of classes of datagrams and contents.
        chosen: number of those of which a datagram was to be sent.
        fates: number of datagrams whose real fate was the computed one, by hook and by whether they passed.
        unreached: number of classes of which none was sent, by reason.
        wrong: datagrams whose real fate is another one, in words.
    """

    classes: int
    chosen: int
    fates: Mapping[tuple[str, bool], int]
    unreached: Mapping[str, int]
    wrong: Sequence[str]

    @property
    def agreed(self) -> int:
        """Number of datagrams whose real fate was the computed one."""
        return sum(self.fates.values())


def compare_door(reading: DoorReading, seed: int, most: int | None = None) -> DoorComparison:
    """Sends one datagram of each class through a copy of a front door.

    Args:
        seed: of the choice of classes.
        most: number of classes at most; None is all.

    Raises:
        Unreplayable: the front door can't be copied here.
        Unmodelled: a part of it has no meaning in the proof.
    """
    return _compared(reading, list(cases(reading.parsed(), reading.desk)), seed, most)


def compare_door_wrongly(reading: DoorReading, seed: int) -> DoorComparison:
    """Sends datagrams as `compare_door` does, beside a wrong meaning: as if nothing were dropped.

    Datagrams have to contradict it.

    Raises:
        Unreplayable: the front door can't be copied here.
        Unmodelled: a part of it has no meaning in the proof.
    """
    wrong = _without_drops(reading.parsed())
    return _compared(reading, list(cases(wrong, reading.desk)), seed, _OF_CONTROL)


def _compared(reading: DoorReading, found: Sequence[Case], seed: int, most: int | None) -> DoorComparison:
    chance = random.Random(seed)  # noqa: S311 - a choice, no secret
    chosen = found if most is None or most >= len(found) else chance.sample(found, most)
    fates: Counter[tuple[str, bool]] = Counter()
    unreached: Counter[str] = Counter()
    wrong = []
    for case, outcome in zip(chosen, replay(reading, chosen), strict=True):
        if isinstance(outcome, Unreachable):
            unreached[str(outcome)] += 1
        elif different := list(differences(case, outcome)):
            wrong.append(f"{described(case)}: {'; '.join(different)}")
        else:
            fates[case.hook, case.accepted] += 1
    return DoorComparison(len(found), len(chosen), fates, unreached, wrong)


def _without_drops(door: Door) -> Door:
    def of_statement(statement: Statement) -> Statement:
        return Decide(Verdict("accept")) if statement == Decide(Verdict("drop")) else statement

    def of_chain(chain: Chain) -> Chain:
        rules = (Rule(rule.handle, tuple(map(of_statement, rule.statements))) for rule in chain.rules)
        return replace(chain, rules=tuple(rules))

    return replace(door, chains={name: of_chain(chain) for name, chain in door.chains.items()})
