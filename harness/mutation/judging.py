"""Judgement of mutants by proof, unit tests and scenarios."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.mutation import forks
from harness.mutation.areas import Area
from harness.mutation.forks import Run
from harness.mutation.journal import Entry, Journal, Judge, Verdict, version_of
from harness.mutation.mutants import Mutant
from harness.paths import ROOT

_OUT_OF_TIME = "There was no time left for it."


class NotSound(Exception):
    """The product itself does not pass what has to notice its mutants."""


@dataclass(frozen=True)
class JudgementOptions:
    """Options of a judgement.

    Attributes:
        judges: judges to ask.
        seed: seed of the choices of tests and scenarios.
        deadline_s: longest time of one run in seconds.
        until: value of `time.monotonic` after which no run begins.
        workers: number of runs at once.
        are_recorded: True to run the unit tests of the product itself first, with a record of the lines that each
            runs, so that a mutant meets only tests of its lines. That takes minutes where there are many tests.
    """

    judges: Sequence[Judge]
    seed: int
    deadline_s: float
    until: float
    workers: int
    are_recorded: bool = True


class Court:
    """Judges mutants, and the product itself, since a test that it fails would notice everything.

    Proof and recorded tests judge the product first. Other tests and scenarios do so when they have noticed a mutant.

    Args:
        areas: areas of the mutants, by name.
        journal: verdicts that are known already, and the place for new ones.
        show: takes each verdict as it is known.
    """

    def __init__(
        self, areas: Mapping[str, Area], options: JudgementOptions, journal: Journal, show: Callable[[Entry], None]
    ) -> None:
        self._areas = areas
        self._options = options
        self._journal = journal
        self._show = show
        self._writing, self._confirming = threading.Lock(), threading.Lock()
        self._versions = {name: version_of(area) for name, area in areas.items()}

    @property
    def workers(self) -> int:
        """Number of runs at once."""
        return self._options.workers

    def judge(self, mutants: Sequence[Mutant]) -> list[Entry]:
        """Returns all verdicts on mutants.

        Raises:
            NotSound: the product itself fails.
        """
        areas = [area for name, area in self._areas.items() if any(mutant.area == name for mutant in mutants)]
        whole = {area.name: {judge: self._control(area, judge) for judge in self._asked(area)} for area in areas}
        with ThreadPoolExecutor(self._options.workers) as pool:
            found = pool.map(lambda mutant: list(self._verdicts(mutant, whole[mutant.area])), mutants)
            return [entry for entries in found for entry in entries]

    def until_noticed(self, mutant: Mutant) -> Iterator[Entry]:
        """Yields the verdicts of one judge after the other, until one notices a mutant.

        What the proof does not refute is no break, so that nobody else is asked. The product itself is judged by the
        test that noticed, alone.
        """
        area = self._areas[mutant.area]
        if area.proof:
            entry = self._alone(mutant, Judge.PROOF, area.proof)
            yield entry
            if entry.verdict is not Verdict.NOTICED:
                return
        others = [(Judge.TESTS, nearest_first(mutant, area.tests)), (Judge.GATE, area.scenarios)]
        for judge, tests in others:
            entry = self._alone(mutant, judge, tests)
            yield entry
            if entry.verdict is Verdict.NOTICED:
                return

    def _alone(self, mutant: Mutant, judge: Judge, tests: Sequence[str]) -> Entry:
        area = self._areas[mutant.area]
        wanted = Run(tests, self._arguments(judge), mutant.path, mutant.source)
        return self._confirmed(area, self._run(area, mutant.id, judge, wanted))

    def _asked(self, area: Area) -> list[Judge]:
        """Returns the judges that judge the product itself first; the others do so when they have noticed a mutant."""
        first = {Judge.TESTS: self._options.are_recorded, Judge.PROOF: bool(area.proof), Judge.GATE: False}
        return [judge for judge in self._options.judges if first[judge]]

    def _control(self, area: Area, judge: Judge) -> Entry:
        recorded = [str(file.relative_to(ROOT)) for file in area.files()] if judge is Judge.TESTS else []
        tests = area.tests if judge is Judge.TESTS else area.proof
        wanted = Run(tests, self._arguments(judge), recorded=recorded)
        entry = self._run(area, "", judge, wanted)
        if entry.verdict is not Verdict.SURVIVED:
            raise NotSound(f"{area.name} without a mutant, by {judge.value}: {entry.by} {entry.words}")
        return entry

    def _verdicts(self, mutant: Mutant, whole: dict[Judge, Entry]) -> Iterator[Entry]:
        area = self._areas[mutant.area]
        is_break = True
        for judge in whole:
            tests = covering(mutant, whole[judge]) if judge is Judge.TESTS else area.proof
            entry = self._run(area, mutant.id, judge, Run(tests, self._arguments(judge), mutant.path, mutant.source))
            yield entry
            is_break = is_break and (judge is not Judge.PROOF or entry.verdict is Verdict.NOTICED)
        if Judge.TESTS in self._options.judges and Judge.TESTS not in whole:
            yield self._alone(mutant, Judge.TESTS, nearest_first(mutant, area.tests))
        # The gate is not asked about what is the same to all packets.
        if is_break and Judge.GATE in self._options.judges:
            yield self._alone(mutant, Judge.GATE, area.scenarios)

    def _confirmed(self, area: Area, entry: Entry) -> Entry:
        """Returns a verdict, undecided if what noticed the mutant fails without it too."""
        if entry.verdict is not Verdict.NOTICED:
            return entry
        # One run at a time, so that a test is run for the first mutant that it notices, and no other.
        with self._confirming:
            whole = self._run(area, entry.by, entry.judge, Run([entry.by], self._arguments(entry.judge)))
        if whole.verdict is Verdict.SURVIVED:
            return entry
        return msgspec.structs.replace(
            entry, verdict=Verdict.UNDECIDED, words=f"without a mutant: {whole.verdict.value} {whole.words}"
        )

    def _run(self, area: Area, mutant: str, judge: Judge, wanted: Run) -> Entry:
        version, seed = self._versions[area.name], self._options.seed
        known = self._journal.find(version, mutant, judge, seed)
        if known is not None:
            self._show(known)
            return known
        if time.monotonic() >= self._options.until:
            return Entry(version, area.name, mutant, judge, Verdict.UNDECIDED, seed, words=_OUT_OF_TIME)
        outcome = forks.run(wanted, self._options.deadline_s)
        failure = outcome.failure
        verdict = Verdict.SURVIVED if failure is None else Verdict.NOTICED
        entry = Entry(
            version,
            area.name,
            mutant,
            judge,
            Verdict.UNDECIDED if outcome.trouble else verdict,
            seed,
            "" if failure is None else failure.test,
            "" if failure is None else failure.error,
            outcome.trouble if failure is None else failure.words,
            outcome.seconds,
            {} if mutant else outcome.costs,
            outcome.lines,
        )
        with self._writing:
            self._show(entry)
            return self._journal.keep(entry)

    def _arguments(self, judge: Judge) -> list[str]:
        seed, deadline = self._options.seed, f"--timeout={self._options.deadline_s:.0f}"
        if judge is Judge.GATE:
            # Scenarios that nothing may run beside are left out, because two runs share the machine.
            return [f"--seed={seed}", "--profile=quick", "--exclusive=skip", deadline]
        return ["-p", "hypothesispytest", "--profile=full", f"--hypothesis-seed={seed}", deadline]


def covering(mutant: Mutant, whole: Entry) -> list[str]:
    """Returns the tests that run a mutant's lines, the cheapest first.

    These are all tests where none runs them: such lines run while the product is imported, or in another process.

    Args:
        whole: verdict on the product itself, with costs and lines.
    """
    lines = whole.lines.get(mutant.path, {})
    first, last = mutant.lines
    found = {test for line in range(first, last + 1) for test in lines.get(line, ())} or set(whole.costs)
    return sorted(found, key=lambda test: (whole.costs.get(test, 0.0), test))


def nearest_first(mutant: Mutant, tests: Iterable[str]) -> list[str]:
    """Returns the files of unit tests, those that name the mutant's module most often first.

    Args:
        tests: files and folders of tests, relative to the repository.
    """
    files = [file for each in tests for file in _files(ROOT / each)]
    word = re.compile(rf"\b{re.escape(Path(mutant.path).stem)}\b")
    named = {file: len(word.findall(file.read_text())) for file in dict.fromkeys(files)}
    return [str(file.relative_to(ROOT)) for file in sorted(named, key=lambda file: (-named[file], file))]


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
