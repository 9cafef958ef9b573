"""Gate: runs the scenarios and every sabotage."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.gate import broken_runs as broken
from harness.gate import results, runs
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions, RunResult
from harness.sabotage.catalogue import SABOTAGES
from harness.sabotage.entry import Sabotage
from reports.schema import Verdict

_CORES = os.cpu_count() or 1
_BESIDE_OTHERS, _EXCLUSIVE = "--exclusive=skip", "--exclusive=only"
_MOST_RERUNS = 8
"""Bound on the scenarios that are run again; more failures are no chance."""


@dataclass(frozen=True)
class Concurrency:
    """Number of runs at once.

    Attributes:
        scenarios: number of runs that share the scenarios; each starts a service.
        runs: number of all runs, sabotages included. A scenario waits for packets half of its time.
    """

    scenarios: int
    runs: int


def concurrency(options: RunOptions, cores: int = _CORES) -> Concurrency:
    """Returns the number of runs that the processors can serve.

    It is smaller on a slow machine, where a start of the service could miss its deadline, and 1 if all runs damage the
    same service.
    """
    if options.live is not None and options.live.ssh is not None:
        return Concurrency(1, 1)
    patience = options.patience
    return Concurrency(min(cores, 4), 2 * cores) if patience <= 1 else Concurrency(max(1, cores // 2), cores)


@dataclass(frozen=True)
class SabotageResult:
    """Result of a sabotage.

    Attributes:
        caught: True if the scenario noticed the sabotage.
        noticed: failure of the scenario, or the reason why there is none.
        was_run: False if its scenario needs a run without others beside it.
    """

    sabotage: Sabotage
    caught: bool
    noticed: str
    seconds: float
    was_run: bool = True


@dataclass(frozen=True)
class GatePlan:
    """Options of the gate.

    Attributes:
        options: options of each run.
        sabotages_only: True for the sabotages without the scenarios.
        minutes: time for rounds of the scenarios, each with its own seed; None for one round.
    """

    options: RunOptions
    sabotages_only: bool = False
    minutes: float | None = None

    @property
    def profile(self) -> str:
        """Name of the profile: quick, full or soak."""
        return self.options.profile if self.minutes is None else "soak"

    @property
    def has_contract(self) -> bool:
        """True if the run also checks the API against its OpenAPI document: in one full round of everything."""
        is_everything = self.options.claim is None and self.options.live is None and not self.sabotages_only
        return self.profile == "full" and is_everything


@dataclass(frozen=True)
class GateRun:
    """Result of the gate.

    Attributes:
        started_at: Unix time in seconds.
        scenarios: one result for each scenario; of several rounds, its first failure or its last result.
        again: results of the scenarios that failed, run again alone with the same seed.
        rounds: number of rounds.
        hub_wireguard: name and version of the hub's WireGuard implementation; "" if no hub came up.
        hub: MODULE:CLASS of another project's hub; None for the service.
    """

    plan: GatePlan
    started_at: float
    seconds: float
    scenarios: tuple[ScenarioResult, ...]
    sabotages: tuple[SabotageResult, ...]
    again: tuple[ScenarioResult, ...] = ()
    rounds: int = 1
    hub_wireguard: str = ""
    hub: str | None = None


@dataclass(frozen=True)
class _Round:
    scenarios: tuple[ScenarioResult, ...]
    sabotages: tuple[SabotageResult, ...]
    hub_wireguard: str


def run(plan: GatePlan, evidence: Path, console: Console) -> GateRun:
    """Runs scenarios and sabotages side by side, then exclusive scenarios alone, then failed scenarios again.

    Args:
        plan: options of the gate.
        evidence: folder for the evidence of failed scenarios.
        console: takes the progress.
    """
    started_at, start = time.time(), time.monotonic()
    options = plan.options
    # A service that others run is not sabotaged.
    wanted = [each for each in SABOTAGES if options.claim in (None, each.claim) and options.live is None]
    what = "" if plan.sabotages_only else "scenarios, and "
    console.print(f"{what}{len(wanted)} sabotages (profile {plan.profile}, seed {options.seed})")
    rounds = [_round(options, wanted, evidence, console, scenarios=not plan.sabotages_only)]
    until = start + 60 * (plan.minutes or 0)
    while time.monotonic() < until and all(each.is_proven for each in rounds[-1].scenarios):
        seeded = replace(options, seed=options.seed + len(rounds))
        console.print(f"round {len(rounds) + 1} (seed {seeded.seed})")
        rounds.append(_round(seeded, (), evidence, console))
    outcomes = results.worst([each.scenarios for each in rounds])
    return GateRun(
        plan,
        started_at,
        time.monotonic() - start,
        tuple(outcomes),
        rounds[0].sabotages,
        tuple(_again(options, outcomes, console)),
        len(rounds),
        next((each.hub_wireguard for each in rounds if each.hub_wireguard), ""),
    )


def _round(
    options: RunOptions, sabotages: Sequence[Sabotage], evidence: Path, console: Console, *, scenarios: bool = True
) -> _Round:
    many = concurrency(options)
    with _progress_pipe(console) as progress, runs.scenario_numbers() as numbers, _opened(evidence) as folder:
        shared = [f"--progress={progress}", f"--evidence=/dev/fd/{folder}"]
        pooled = [_BESIDE_OTHERS, f"--numbers={numbers}", *shared]
        with ThreadPoolExecutor(many.runs) as pool:
            parts = [
                pool.submit(runs.run, options, *pooled, inherited=[numbers, progress, folder])
                for _ in range(many.scenarios if scenarios else 0)
            ]
            # Sabotages that mostly wait start first: they use little of the processors, and would prolong the end.
            begun = {
                each.id: pool.submit(_sabotage, options, each, console, _BESIDE_OTHERS)
                for each in _waiting_first(sabotages)
            }
        # The pool has ended. From here on, there is one run at a time.
        finished = [part.result() for part in parts]
        if not all(each.was_run for each in results.merge([part.outcomes for part in finished])):
            finished.append(runs.run(options, _EXCLUSIVE, *shared, inherited=[progress, folder]))
        tried = [begun[each.id].result() for each in sabotages]
        judged = [each if each.was_run else _sabotage(options, each.sabotage, console, _EXCLUSIVE) for each in tried]
    for each in finished:
        if each.complaint:
            console.print(escape(each.excerpt), style="red")
    return _Round(
        tuple(results.merge([each.outcomes for each in finished])),
        tuple(judged),
        next((each.hub_wireguard for each in finished if each.hub_wireguard), ""),
    )


def _waiting_first(sabotages: Sequence[Sabotage]) -> list[Sabotage]:
    latest_first = sabotages[::-1]
    return [each for each in latest_first if each.waits] + [each for each in latest_first if not each.waits]


def _again(options: RunOptions, outcomes: Sequence[ScenarioResult], console: Console) -> Iterator[ScenarioResult]:
    """Runs failed scenarios again with the same seed, to find those whose verdict depends on chance."""
    failed = [
        each
        for each in outcomes
        if not each.is_proven
        and each.was_run
        # A service that others run lacks the same members the second time.
        and (options.live is None or each.verdict == Verdict.REFUTED)
    ]
    for each in failed[:_MOST_RERUNS]:
        _print(console, "again", f"{each.name} ({each.claim})")
        alike = replace(options, claim=each.claim, seed=each.seed)
        for outcome in runs.run(alike, f"--scenario={each.name.partition('[')[0]}").outcomes:
            if outcome.name == each.name:
                _print(console, outcome.verdict, results.with_reason(f"{each.name}, run again", outcome.failure))
                yield outcome


@contextmanager
def _progress_pipe(console: Console) -> Iterator[int]:
    """Opens a pipe whose lines are printed on the console; yields the descriptor to write to."""
    read, write = os.pipe()

    def show() -> None:
        with os.fdopen(read) as lines:
            for line in lines:
                _print(console, *line.rstrip("\n").split(" ", 1))

    thread = threading.Thread(target=show, name="gate-progress")
    thread.start()
    try:
        yield write
    finally:
        os.close(write)
        thread.join()


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


_STYLES = {"proven": "green", "noticed": "green", "refuted": "red", "inconclusive": "red", "UNNOTICED": "red"}


def _print(console: Console, word: str, what: str) -> None:
    style = _STYLES.get(word, "dim")
    console.print(f"  [{style}]{word:12}[/] {escape(what)}", highlight=False, soft_wrap=True)


def _sabotage(options: RunOptions, sabotage: Sabotage, console: Console, exclusive: str) -> SabotageResult:
    """Runs one sabotage, unless its scenario needs a run without others beside it."""
    start = time.monotonic()
    _print(console, "breaks", f"{sabotage.id} ({sabotage.claim})")
    quick = replace(options, claim=sabotage.claim, profile="quick")
    finished = broken.run(quick, sabotage, exclusive)
    if exclusive == _BESIDE_OTHERS and finished.ran_nothing:
        _print(console, "left", f"{sabotage.id}, to a run by itself")
        return SabotageResult(sabotage, False, "", 0.0, was_run=False)
    caught, text = judge_sabotage(sabotage, finished)
    _print(console, "noticed" if caught else "UNNOTICED", f"{sabotage.id}: {results.in_brief(text)}")
    return SabotageResult(sabotage, caught, text, time.monotonic() - start)


def judge_sabotage(sabotage: Sabotage, finished: RunResult) -> tuple[bool, str]:
    """Decides whether a run noticed a sabotage.

    Only a refutation with the words of this sabotage counts: a service that does not work at all shows nothing about
    the scenario.

    Returns:
        True if it did, and the failure text of the scenario, or the reason why there is none.
    """
    refuted = [each for each in finished.outcomes if each.verdict == Verdict.REFUTED]
    telling = [each for each in refuted if sabotage.says in (each.failure or "")]
    if telling:
        return True, f"{telling[0].name}: {telling[0].failure}"
    text = "; ".join(f"{each.name}: {each.verdict} {each.failure or ''}".strip() for each in finished.outcomes)
    return False, text or f"no scenario ran: {finished.complaint[-500:]}"
