"""Runs of scenarios against faults of each size, and what came of them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import product

import msgspec

from harness.gate import broken_runs
from harness.gate.runs import RunOptions, RunResult
from harness.journal import Journal
from harness.paths import ROOT
from harness.resolution.plan import Cell
from reports.schema import Verdict

GOAL = 0.95
"""Share of runs that have to find a fault."""

_CODE = ("appliance", "netlab", "scenarios")
_HARNESS = ("client", "judging", "overlay", "sabotage", "subject", "wire", "world")
_BRIEF = 200


class Found(Enum):
    """What came of a run."""

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
    """Returns what a run was of."""
    return entry.version, entry.target, entry.value, entry.profile, entry.seed


@dataclass(frozen=True)
class Options:
    """Options of a measurement.

    Attributes:
        runs: number of runs of each cell, each with the next seed.
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
    return broken_runs.run_scenarios(options, cell.sabotage, cell.target.scenarios)


@dataclass
class Measurement:
    """Measures cells, in rounds of one run each.

    A cell that has missed the goal for good is left out of further rounds.

    Attributes:
        cells: cells, in the order of a round.
        journal: outcomes that are known already, and the place for new ones.
        show: takes each outcome as it is known.
        runner: makes a run.
    """

    cells: Sequence[Cell]
    options: Options
    journal: Journal[Entry]
    show: Callable[[Cell, Entry], None]
    runner: Runner = run_cell
    _version: str = field(default_factory=lambda: version())
    _failed: Counter[Cell] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def entries(self) -> list[tuple[Cell, Entry]]:
        """Makes the runs, and returns their outcomes, without those of runs that decided nothing."""
        with ThreadPoolExecutor(self.options.at_once) as pool:
            pairs = product(range(self.options.runs), self.cells)
            made = pool.map(lambda pair: (pair[1], self._entry(pair[1], pair[0])), pairs)
            return [(cell, entry) for cell, entry in made if entry is not None]

    def _entry(self, cell: Cell, number: int) -> Entry | None:
        options = replace(self.options.run, seed=self.options.run.seed + number)
        wanted = (self._version, cell.target.name, cell.value, options.profile, options.seed)
        entry = self.journal.find(wanted)
        if entry is None:
            if time.monotonic() >= self.options.until or self._is_hopeless(cell):
                return None
            start = time.monotonic()
            found, words = judge(cell, self.runner(cell, options))
            seconds = round(time.monotonic() - start, 1)
            entry = Entry(*wanted, found, seconds, " ".join(words.split())[:_BRIEF])
            with self._lock:
                self.show(cell, entry)
                if found is not Found.UNDECIDED:
                    self.journal.keep(entry)
        if entry.found is Found.UNDECIDED:
            return None
        self._failed[cell] += entry.found is not Found.FOUND
        return entry

    def _is_hopeless(self, cell: Cell) -> bool:
        return cell.value is not None and self._failed[cell] > most_missed(self.options.runs)


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
    digest = hashlib.sha256()
    for folder in (*_CODE, *(f"harness/{each}" for each in _HARNESS)):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
