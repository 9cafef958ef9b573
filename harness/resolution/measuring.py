"""Runs of scenarios against faults of each size, and what came of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum

import msgspec

from harness.gate import forked_runs
from harness.gate.runs import RunOptions, RunResult
from harness.journal import Journal
from harness.paths import ROOT, version_of
from harness.resolution.plan import Cell, Target, cells
from reports.schema import Verdict

GOAL = 0.95
"""Share of runs that have to find a fault."""

_CODE = ("appliance", "netlab", "scenarios")
_HARNESS = ("client", "judging", "overlay", "sabotage", "subject", "wire", "world")
_BRIEF = 200
_RUNS_TO_ONE_SOUND = 4
"""Runs with a fault for one of the product itself."""


class Found(Enum):
    """Outcome of a run."""

    FOUND = "found"
    MISSED = "missed"
    UNCLEAR = "unclear"
    """A scenario was inconclusive, or was refuted in other words than those of the fault."""
    UNDECIDED = "undecided"
    """No scenario ran to its end."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Outcome of one run.

    Attributes:
        version: digest of the code that it ran with; an outcome of other code says nothing.
        target: claim and kind of fault.
        value: size of the fault; None for the product itself.
        profile: name of the profile.
        seed: seed of the scenarios' choices.
        seconds: time that it took.
        words: failure of the scenario, in brief.
    """

    version: str
    target: str
    value: int | None
    profile: str
    seed: int
    found: Found
    seconds: float
    words: str = ""


def key(entry: Entry) -> object:
    """Returns what tells a run from others: the code, the fault and its size, the profile and the seed."""
    return entry.version, entry.target, entry.value, entry.profile, entry.seed


@dataclass(frozen=True)
class MeasurementOptions:
    """Options of a measurement.

    Attributes:
        runs: largest number of runs of each cell, each with the next seed.
        run: options of each run; its seed is that of the first.
        until: value of `time.monotonic` after which no run begins.
        at_once: number of runs at once.
    """

    runs: int
    run: RunOptions
    until: float
    at_once: int


Runner = Callable[[Cell, RunOptions], RunResult]


def run_cell(cell: Cell, options: RunOptions) -> RunResult:
    """Runs the scenarios of a cell against a service with its fault."""
    return forked_runs.run_scenarios(options, cell.sabotage, cell.target.scenarios)


class Measurement:
    """Measures targets side by side, those with the fewest runs first.

    Each size of a fault has one run at least. The further runs are of the smallest fault that may still meet the goal,
    since larger ones are found as often or more, and of larger ones that a run did not find.

    Args:
        journal: outcomes that are known already, and the place for new ones.
        show: takes each outcome as it is known.
        runner: makes a run.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        options: MeasurementOptions,
        journal: Journal[Entry],
        show: Callable[[Cell, Entry], None],
        runner: Runner = run_cell,
    ) -> None:
        self._targets = targets
        self._options = options
        self._journal = journal
        self._show = show
        self._runner = runner
        self._version = version()
        self._changed = threading.Condition()
        self._begun: Counter[Cell] = Counter()
        self._failed: Counter[Cell] = Counter()
        self._running = 0
        self._made: list[tuple[Cell, Entry]] = []

    def entries(self) -> list[tuple[Cell, Entry]]:
        """Makes the runs, and returns their outcomes, without those of runs that decided nothing."""
        with ThreadPoolExecutor(self._options.at_once) as pool:
            for worker in [pool.submit(self._work) for _ in range(self._options.at_once)]:
                worker.result()
        return self._made

    def _work(self) -> None:
        while True:
            with self._changed:
                # The outcome of a run that goes on may make others necessary.
                while (cell := self._next()) is None and self._running:
                    self._changed.wait()
                if cell is None:
                    return
                number, self._begun[cell] = self._begun[cell], self._begun[cell] + 1
                self._running += 1
            entry = None
            try:
                entry = self._entry(cell, number)
            finally:
                with self._changed:
                    self._running -= 1
                    if entry is not None:
                        self._made.append((cell, entry))
                        self._failed[cell] += entry.found is not Found.FOUND
                    self._changed.notify_all()

    def _next(self) -> Cell | None:
        wanted = [cell for target in self._targets if (cell := self._next_of(target)) is not None]
        return min(wanted, key=lambda cell: sum(self._begun[each] for each in cells([cell.target])), default=None)

    def _next_of(self, target: Target) -> Cell | None:
        *sized, sound = cells([target])
        for cell in sized:
            if not self._begun[cell]:
                return cell
        hopeful = [cell for cell in sized if self._failed[cell] <= most_missed(self._options.runs)]
        if self._begun[sound] * _RUNS_TO_ONE_SOUND < max((self._begun[cell] for cell in hopeful), default=1):
            return sound
        doubtful = [cell for cell in hopeful if self._failed[cell]]
        for cell in (*doubtful, *hopeful[-1:]):
            if self._begun[cell] < self._options.runs:
                return cell
        return None

    def _entry(self, cell: Cell, number: int) -> Entry | None:
        options = replace(self._options.run, seed=self._options.run.seed + number)
        wanted = (self._version, cell.target.name, cell.value, options.profile, options.seed)
        known = self._journal.find(wanted)
        if known is not None or time.monotonic() >= self._options.until:
            return known
        start = time.monotonic()
        found, words = judge(cell, self._runner(cell, options))
        entry = Entry(*wanted, found, round(time.monotonic() - start, 1), " ".join(words.split())[:_BRIEF])
        with self._changed:
            self._show(cell, entry)
            return None if found is Found.UNDECIDED else self._journal.keep(entry)


def most_missed(runs: int) -> int:
    """Returns the most runs of a number that may miss a fault if the goal is to be met."""
    return sum(1 for missed in range(1, runs + 1) if runs - missed >= GOAL * runs)


def judge(cell: Cell, result: RunResult) -> tuple[Found, str]:
    """Decides whether a run found the fault of a cell.

    Returns:
        What came of it, and the words of the scenario that tells.
    """
    ran = [each for each in result.outcomes if each.was_run]
    refuted = [each for each in ran if each.verdict == Verdict.REFUTED]
    for each in refuted:
        if any(text in (each.failure or "") for text in cell.target.says):
            return Found.FOUND, f"{each.name}: {each.failure}"
    for each in ran:
        if not each.is_proven:
            return Found.UNCLEAR, f"{each.name}: {each.verdict} {each.failure}"
    if len(ran) < len(cell.target.scenarios) or result.complaint:
        return Found.UNDECIDED, result.excerpt or "no scenario ran"
    return Found.MISSED, ""


def version() -> str:
    """Returns the digest of the product, the scenarios, and what they use."""
    folders = (*_CODE, *(f"harness/{each}" for each in _HARNESS))
    return version_of(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
