"""The computed fates of all packets beside the real ones of some: one for each class and each state that it has."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from harness.proof.atoms import Engine, Fate, Final
from harness.proof.choice import Unreachable, choose, covers
from harness.proof.fields import Flow, Register, Variable
from harness.proof.passages import Memory
from harness.proof.proof import outer_links
from harness.proof.readback import Reading
from harness.proof.replay.circumstances import Circumstances, rates
from harness.proof.replay.packets import Values, flow_of
from harness.proof.replay.replaying import Replay, replay
from harness.proof.routing import Routing
from harness.proof.ruleset import Ruleset
from harness.proof.space import Space, space_of
from harness.proof.universe import ones
from harness.proof.words import Words

_OF_CONTROL = 100
"""Packets that are sent beside a wrong meaning; most classes have forwarded ones."""


@dataclass(frozen=True)
class Comparison:
    """Result of real packets beside computed fates.

    Attributes:
        classes: number of classes of packets.
        pairs: number of pairs of a class and a state that its packets have.
        fates: number of packets whose real fate was the computed one, by state and fate.
        either: number of those among them of which two fates were possible, because of a rate, or of a hash of
            addresses that nothing else tells apart.
        unreached: number of pairs of which no packet was sent in its state, by reason.
        wrong: packets whose real fate is another one, in words.
    """

    classes: int
    pairs: int
    fates: Mapping[tuple[Flow, Fate], int]
    either: int
    unreached: Mapping[str, int]
    wrong: Sequence[str]

    @property
    def agreed(self) -> int:
        """Number of packets whose real fate was the computed one."""
        return sum(self.fates.values())


def compare(reading: Reading, seed: int, most: int | None = None) -> Comparison:
    """Sends one packet for each class of packets and each of its states through a copy of a namespace.

    Args:
        seed: of the choice of packets.
        most: number of pairs of a class and a state at most, chosen by the seed; None is all.

    Raises:
        Unreplayable: the namespace can't be rebuilt here.
        Unmodelled: a part of what was read has no meaning in the proof.
    """
    ruleset, routing = reading.parsed()
    space = space_of(ruleset, outer_links(reading), routing.boundaries(), ())
    finals = Engine(ruleset, routing, Memory(space)).walk()
    chance = random.Random(seed)  # noqa: S311 - a choice, no secret
    pairs = [(final, Flow(number)) for final in finals for number in ones(final.packets.sets[Variable.FLOW])]
    chosen = pairs if most is None or most >= len(pairs) else chance.sample(pairs, most)
    unreached: Counter[str] = Counter()
    wanted: dict[bool, list[tuple[Final, Values]]] = {False: [], True: []}
    for final, flow in chosen:
        try:
            values = choose(final.packets, flow, space, chance)
        except Unreachable as error:
            unreached[f"{flow.name.lower()}: {error}"] += 1
        else:
            wanted[final.packets.is_limited].append((final, values))
    links = {index: name for name, index in reading.link_indexes.items()}
    judged = _Judged(finals, space, links)
    for is_beyond, some in wanted.items():
        beyond = rates(reading.listing) if is_beyond else frozenset[str]()
        outcomes = replay(reading, [values for _, values in some], Circumstances(beyond=beyond))
        for (final, _), outcome in zip(some, outcomes, strict=True):
            judged.judge(final, outcome)
    return Comparison(len(finals), len(chosen), judged.fates, judged.either, unreached + judged.unreached, judged.wrong)


class _Misread(Reading):
    def parsed(self) -> tuple[Ruleset, Routing]:
        ruleset, routing = super().parsed()
        return ruleset, replace(routing, forwards=False)


def compare_wrongly(reading: Reading, seed: int) -> Comparison:
    """Sends packets as `compare` does, beside a wrong meaning: as if the kernel forwarded nothing.

    Where a policy allows something, packets have to contradict it.

    Raises:
        Unreplayable: the namespace can't be rebuilt here.
        Unmodelled: a part of what was read has no meaning in the proof.
    """
    wrong = _Misread(**{each.name: getattr(reading, each.name) for each in fields(reading)})
    return compare(wrong, seed, _OF_CONTROL)


class _Judged:
    def __init__(self, finals: Sequence[Final], space: Space, links: Mapping[int, str]) -> None:
        self._finals = finals
        self._space = space
        self._links = links
        self.fates: Counter[tuple[Flow, Fate]] = Counter()
        self.unreached: Counter[str] = Counter()
        self.either = 0
        self.wrong: list[str] = []

    def judge(self, final: Final, outcome: Replay | Unreachable) -> None:
        """Compares a packet's computed fate with its real one."""
        if isinstance(outcome, Unreachable):
            self.unreached[str(outcome)] += 1
            return
        flow, real = flow_of(outcome.values), (outcome.fate, outcome.link)
        if not outcome.is_in_state:
            self.unreached[f"{flow.name.lower()}: the kernel takes it for {outcome.state}"] += 1
        elif real == self._computed(final):
            self.fates[flow, final.fate] += 1
        elif real in self._possible(outcome.values, is_beyond=final.packets.is_limited):
            self.fates[flow, outcome.fate] += 1
            self.either += 1
        else:
            words = Words(flow, dict(outcome.values))
            by = f" by {outcome.link}" if outcome.link else ""
            self.wrong.append(
                f"{words.packet()}, {words.state()}: computed {final.fate.value}, but the kernel has it"
                f" {outcome.fate.value}{by}"
            )

    def _possible(self, values: Values, *, is_beyond: bool) -> set[tuple[Fate, str]]:
        """Fates that a packet may have; what comes beyond a rate has none of those within all."""
        return {
            self._computed(each)
            for each in self._finals
            if each.packets.is_limited >= is_beyond and covers(each.packets, values, self._space)
        }

    def _computed(self, final: Final) -> tuple[Fate, str]:
        link = final.packets.registers[Register.LINK_OUT.value]
        return final.fate, self._links[link] if final.fate is Fate.FORWARDED and isinstance(link, int) and link else ""
