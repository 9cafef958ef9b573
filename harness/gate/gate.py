"""The gate: runs the scenarios and every sabotage, and says whether each claim is proven."""

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
from harness.gate.runs import Finished, RunOptions
from harness.sabotage.catalogue import SABOTAGES, Sabotage
from reports.schema import Verdict

_CORES = os.cpu_count() or 1
_BESIDE_OTHERS, _EXCLUSIVE = "--exclusive=skip", "--exclusive=only"
_MOST_RERUNS = 8
"""Where more has failed, nobody doubts it."""


@dataclass(frozen=True)
class Concurrency:
    """How many runs there are at once.

    Attributes:
        scenarios: of those that share the scenarios; each costs the start of a service.
        runs: of all. A scenario waits for packets half of its time.
    """

    scenarios: int
    runs: int


def concurrency(options: RunOptions, cores: int = _CORES) -> Concurrency:
    """As many as the processors can serve: a slow machine's have no time left, and a start has its deadline too.

    Where one service is damaged for all runs, there is one at a time.
    """
    if options.live is not None and options.live.ssh is not None:
        return Concurrency(1, 1)
    patience = options.patience
    return Concurrency(min(cores, 4), 2 * cores) if patience <= 1 else Concurrency(max(1, cores // 2), cores)


@dataclass(frozen=True)
class SabotageResult:
    """Whether a break was noticed, and what the scenario said that had to notice it."""

    sabotage: Sabotage
    caught: bool
    noticed: str
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What a gate is asked for.

    Attributes:
        sabotages_only: whether it runs the sabotages and nothing else.
        minutes: how long rounds of the scenarios follow each other, each with a seed of its own; one round if None.
    """

    options: RunOptions
    sabotages_only: bool = False
    minutes: float | None = None

    @property
    def profile(self) -> str:
        """As it is asked for and told."""
        return self.options.profile if self.minutes is None else "soak"

    @property
    def has_contract(self) -> bool:
        """Whether the API is held to the document that describes it, too: in one full round of everything."""
        is_everything = self.options.claim is None and self.options.live is None and not self.sabotages_only
        return self.profile == "full" and is_everything


@dataclass(frozen=True)
class GateRun:
    """What a run came to.

    Attributes:
        scenarios: of several rounds, what each scenario failed with, or the last outcome.
        again: what the scenarios that failed came to when they were run once more alike, each by itself.
        rounds: how many there were.
        hub_wireguard: the implementation that the hub used, with its version; "" if no hub came up.
        hub: the class of another hub that took the service's place, as MODULE:CLASS.
    """

    plan: Plan
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


def run(plan: Plan, evidence: Path, console: Console) -> GateRun:
    """Run scenarios and sabotages side by side, then what needs the machine for itself, then once more what failed.

    Each run is in a world of its own.

    Args:
        evidence: folder for what failed scenarios leave.
        console: where progress is told.
    """
    started_at, start = time.time(), time.monotonic()
    options = plan.options
    # Nobody breaks a service that others run.
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
    options: RunOptions, breaks: Sequence[Sabotage], evidence: Path, console: Console, *, scenarios: bool = True
) -> _Round:
    many = concurrency(options)
    with _progress_pipe(console) as progress, runs.turns() as turns, _opened(evidence) as folder:
        shared = [f"--progress={progress}", f"--evidence=/dev/fd/{folder}"]
        pooled = [_BESIDE_OTHERS, f"--turns={turns}", *shared]
        with ThreadPoolExecutor(many.runs) as pool:
            parts = [
                pool.submit(runs.run, options, *pooled, inherited=[turns, progress, folder])
                for _ in range(many.scenarios if scenarios else 0)
            ]
            # Waiting costs a processor nothing: who waits begins beside the scenarios, and is not left over at the end.
            begun = {
                each.id: pool.submit(_sabotage, options, each, console, _BESIDE_OTHERS)
                for each in _waiting_first(breaks)
            }
        # The pool has ended: from here on, there is one run at a time.
        finished = [part.result() for part in parts]
        if any(each.failure == results.NOT_RUN for each in results.merge([part.outcomes for part in finished])):
            finished.append(runs.run(options, _EXCLUSIVE, *shared, inherited=[progress, folder]))
        tried = [begun[each.id].result() for each in breaks]
        caught = [
            _sabotage(options, each.sabotage, console, _EXCLUSIVE) if each.noticed == results.NOT_RUN else each
            for each in tried
        ]
    for each in finished:
        if each.complaint:
            console.print(escape(each.excerpt), style="red")
    return _Round(
        tuple(results.merge([each.outcomes for each in finished])),
        tuple(caught),
        next((each.hub_wireguard for each in finished if each.hub_wireguard), ""),
    )


def _waiting_first(breaks: Sequence[Sabotage]) -> list[Sabotage]:
    latest_first = breaks[::-1]
    return [each for each in latest_first if each.waits] + [each for each in latest_first if not each.waits]


def _again(options: RunOptions, outcomes: Sequence[ScenarioResult], console: Console) -> Iterator[ScenarioResult]:
    """What failed is run once more with the same choices: a verdict that chance decides is none."""
    failed = [
        each
        for each in outcomes
        if not each.is_proven
        and each.failure != results.NOT_RUN
        # What can't be seen of a service that others run, can't be seen the second time either.
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
    """An open file; each line that is written there is shown."""
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
    """Run one sabotage; `noticed` is `results.NOT_RUN` where its scenario was left to a run by itself."""
    start = time.monotonic()
    _print(console, "breaks", f"{sabotage.id} ({sabotage.claim})")
    quick = replace(options, claim=sabotage.claim, profile="quick")
    finished = broken.run(quick, sabotage, exclusive)
    if exclusive == _BESIDE_OTHERS and finished.left_all:
        _print(console, "left", f"{sabotage.id}, to a run by itself")
        return SabotageResult(sabotage, False, results.NOT_RUN, 0.0)
    caught, said = judge(sabotage, finished)
    _print(console, "noticed" if caught else "UNNOTICED", f"{sabotage.id}: {results.in_brief(said)}")
    return SabotageResult(sabotage, caught, said, time.monotonic() - start)


def judge(sabotage: Sabotage, finished: Finished) -> tuple[bool, str]:
    """Whether the break was noticed as such, and what was said.

    Only a refutation counts, and only one in the words that speak of this break: a service that is broken altogether
    shows nothing about the scenario.
    """
    refuted = [each for each in finished.outcomes if each.verdict == Verdict.REFUTED]
    telling = [each for each in refuted if sabotage.says in (each.failure or "")]
    if telling:
        return True, f"{telling[0].name}: {telling[0].failure}"
    return False, _unnoticed(finished.outcomes, finished.complaint)


def _unnoticed(outcomes: Sequence[ScenarioResult], complaint: str) -> str:
    said = "; ".join(f"{each.name}: {each.verdict} {each.failure or ''}".strip() for each in outcomes)
    return said or f"no scenario ran: {complaint[-500:]}"
