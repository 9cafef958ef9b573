"""Trial of the gate: mutants that its seed draws, each of which a unit test or a scenario has to notice.

The judges are those of `meshwg mutate`. They are asked one after the other, until one notices the mutant, and only then
about the product itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, zip_longest
from pathlib import Path

from harness.events.secrets import without_secrets
from harness.mutation import equivalent
from harness.mutation.areas import BY_NAME, DRAWN, Area
from harness.mutation.equivalent import Equivalent
from harness.mutation.journal import Entry, Journal, Judge, Verdict
from harness.mutation.judging import Court, JudgementOptions
from harness.mutation.mutants import Mutant, mutants_of, sample
from reports.schema import MutantVerdict

DEADLINE_S = 300.0
"""Longest time of one run of tests or scenarios."""
MINUTES = 20.0
"""Time after which no run begins."""


def court(folder: Path, seed: int, patience: float) -> Court:
    """Returns the court of a trial.

    Args:
        folder: place for its journal.
        seed: seed of the choices of tests and scenarios.
        patience: factor by which this machine is slower than usual; lengthens the deadlines.
    """
    until = time.monotonic() + 60 * MINUTES * patience
    options = JudgementOptions(tuple(Judge), seed, DEADLINE_S * patience, until, workers=os.cpu_count() or 1)
    return Court(BY_NAME, options, Journal(folder / "mutation.jsonl", goes_on=False), lambda _: None)


def drawn(count: int, seed: int, areas: Sequence[Area] = DRAWN) -> list[Mutant]:
    """Draws mutants by a seed, one of each area in turn."""
    of_each = -(-count // len(areas))
    turns = zip_longest(*(sample(list(mutants_of(area)), of_each, seed) for area in areas))
    return [mutant for mutant in chain.from_iterable(turns) if mutant is not None][:count]


def tried(
    mutants: Sequence[Mutant],
    court: Court,
    reviewed: Sequence[Equivalent],
    show: Callable[[MutantVerdict], None],
) -> list[MutantVerdict]:
    """Judges mutants.

    Args:
        court: asks the judges.
        reviewed: mutants that are known to do what the product does, which are not judged.
        show: takes each verdict as it is known, from any thread.
    """

    def judged(mutant: Mutant) -> MutantVerdict:
        start = time.monotonic()
        reason = equivalent.reason_for(mutant, reviewed)
        entries = [] if reason else list(court.until_noticed(mutant))
        found = verdict_of(mutant, entries, reason, time.monotonic() - start)
        show(found)
        return found

    with ThreadPoolExecutor(court.workers) as pool:
        return list(pool.map(judged, mutants))


def verdict_of(mutant: Mutant, entries: Sequence[Entry], reason: str, seconds: float) -> MutantVerdict:
    """Returns the verdict on a mutant from those of its judges.

    Args:
        entries: verdicts of the judges, in the order in which they were asked.
        reason: why it does what the product does; "" if that is not known.
        seconds: time that it took.
    """
    # What the proof notices is a break, which others have to notice.
    others = [each for each in entries if each.judge is not Judge.PROOF]
    noticed = next((each for each in others if each.verdict is Verdict.NOTICED), None)
    undecided = next((each for each in entries if each.verdict is Verdict.UNDECIDED), None)
    if reason:
        verdict, words = "alike", reason
    elif noticed is not None:
        verdict, words = "noticed", f"{noticed.by}: {noticed.words}"
    elif undecided is not None:
        verdict, words = "undecided", f"by {undecided.judge.value}: {undecided.words}"
    elif entries and entries[0].judge is Judge.PROOF and entries[0].verdict is Verdict.SURVIVED:
        verdict, words = "alike", "By the proof, every packet has the same fate."
    else:
        verdict, words = "survived", ""
    return MutantVerdict(
        id=mutant.id,
        part=mutant.area,
        function=mutant.function,
        was=mutant.was,
        becomes=mutant.becomes,
        verdict=verdict,
        words=without_secrets(words),
        seconds=round(seconds, 3),
    )
