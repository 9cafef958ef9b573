"""Counterexamples as real packets: each is sent through a copy of the namespace, and captured there in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

from harness.proof.choice import Unreachable
from harness.proof.damage import Deletion
from harness.proof.errors import Unmodelled
from harness.proof.fail_closed import Opening
from harness.proof.fields import addresses
from harness.proof.readback import Reading
from harness.proof.replay.capturing import Shown, Sight, kept
from harness.proof.replay.circumstances import AS_READ, Circumstances, rates
from harness.proof.replay.errors import Unreplayable
from harness.proof.replay.packets import flow_of
from harness.proof.replay.replaying import Outcome, Replay, replay
from harness.proof.replay.wire import Captured
from harness.proof.routing import is_left_open
from harness.proof.words import Counterexample

_MOST_RATES = 4


def show(reading: Reading, examples: Sequence[Counterexample], folder: Path, name: str) -> list[Shown]:
    """Replays counterexamples, and writes a capture of each.

    Args:
        folder: folder of the captures, made if it is missing.
        name: beginning of the names of the files, which end with a number and ``.pcapng``.
    """
    outcomes = _outcomes(reading, examples, AS_READ)
    return [
        _shown(example, _beyond(reading, example, outcome), folder / f"{name}-{at}.pcapng")
        for at, (example, outcome) in enumerate(zip(examples, outcomes, strict=True), 1)
    ]


def show_openings(reading: Reading, openings: Sequence[Opening], folder: Path, name: str) -> list[Shown]:
    """Replays packets that pass after deletions, which are made in the copy, and writes a capture of each.

    Args:
        folder: folder of the captures, made if it is missing.
        name: beginning of the names of the files, which end with a number and ``.pcapng``.
    """
    found = []
    for at, opening in enumerate(openings, 1):
        example = opening.example
        (outcome,) = _outcomes(reading, [example], Circumstances(opening.deletions))
        outcome = _beyond(reading, example, outcome, opening.deletions)
        found.append(_shown(example, outcome, folder / f"{name}-{at}.pcapng", opening.deletions))
    return found


def _beyond(
    reading: Reading, example: Counterexample, within: Outcome, deletions: tuple[Deletion, ...] = ()
) -> Outcome:
    """The outcome of a packet that is beyond a rate, beyond those on its way that give it the computed fate.

    A proof does not say which ones they are, so they are tried.

    Args:
        within: its outcome within all rates, which counts if it is beyond none.
    """
    on_its_way = sorted(rates(reading.listing) & set(example.trace))
    if not example.is_beyond_rate or isinstance(within, Unreachable):
        return within
    if len(on_its_way) > _MOST_RATES:
        return Unreachable(f"it meets {len(on_its_way)} rates, and which of them it is beyond would take long to find")
    outcome: Outcome = within
    for number in range(len(on_its_way), 0, -1):
        for some in combinations(on_its_way, number):
            (outcome,) = _outcomes(reading, [example], Circumstances(deletions, frozenset(some)))
            if isinstance(outcome, Unreachable) or outcome.fate.value == example.fate:
                return outcome
    return outcome


def _outcomes(reading: Reading, examples: Iterable[Counterexample], circumstances: Circumstances) -> list[Outcome]:
    values = [each.values for each in examples]
    try:
        return replay(reading, values, circumstances)
    except (Unreplayable, Unmodelled) as error:
        return [Unreachable(str(error)) for _ in values]


def _shown(example: Counterexample, outcome: Outcome, file: Path, deletions: Sequence[Deletion] = ()) -> Shown:
    if isinstance(outcome, Unreachable):
        return Shown(Sight.NOTHING, f"not replayed: {outcome}")
    real = outcome.fate.value + (f" by {outcome.link}" if outcome.link else "")
    if not outcome.is_in_state:
        sight = Sight.NOTHING
        says = f"not shown by a real packet: connection tracking has it as {outcome.state}; it is {real}"
    elif outcome.fate.value != example.fate and is_left_open(_destination(example)):
        sight = Sight.NOTHING
        says = f"not shown by a real packet: whether the host is in that group is not read back; it is {real}"
    elif outcome.fate.value != example.fate:
        sight = Sight.CONTRADICTION
        says = f"a real packet contradicts this, so the proof or the copy is wrong; please report it: it is {real}"
    else:
        sight, says = Sight.AS_COMPUTED, f"a real packet in a copy of the namespace is {real}"
    after = f"After {' and '.join(each.command for each in deletions)}:\n" if deletions else ""
    return kept(Shown(sight, says), file, _commented(example, outcome, f"{after}{example}\n{says}"))


def _destination(example: Counterexample) -> int:
    _, destination = addresses(flow_of(example.values))
    return example.values[destination]


def _commented(example: Counterexample, outcome: Replay, comment: str) -> Iterator[tuple[Captured, str]]:
    for each in outcome.seen:
        if each.is_history:
            says = f"{each.says} {'leaves' if each.captured.is_out else 'arrives'}, while everything is allowed"
        else:
            says = f"The packet leaves; it should be {example.wanted}" if each.captured.is_out else comment
        yield each.captured, says
