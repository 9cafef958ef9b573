"""Gate: runs the scenarios and the sabotages of a plan."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness.events.feed import Feed
from harness.gate import forked_runs, results, runs
from harness.gate.plans import GatePlan
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions, RunResult, Shared
from harness.sabotage.entry import Sabotage
from harness.world.conditions import STORES, draw_store
from reports.events.format import (
    VERSION,
    PlannedClaim,
    PlannedSabotage,
    RoundBegun,
    RunBegun,
    SabotageBegun,
    SabotageEnded,
    ScenarioRepeated,
    clipped,
)
from reports.schema import MutantVerdict, Verdict, utc

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
        conditions: conditions of the scenario that had to notice it, in words.
    """

    sabotage: Sabotage
    caught: bool
    noticed: str
    seconds: float
    was_run: bool = True
    conditions: Mapping[str, str] = field(default_factory=dict)


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
        mutants: verdicts on the mutants.
        problems: further reasons why it does not pass, one sentence each.
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
    mutants: tuple[MutantVerdict, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Round:
    scenarios: tuple[ScenarioResult, ...]
    sabotages: tuple[SabotageResult, ...]
    hub_wireguard: str
    problems: tuple[str, ...]


def run(plan: GatePlan, evidence: Path, console: Console, feed: Feed) -> GateRun:
    """Runs scenarios and sabotages side by side, then exclusive scenarios alone, then failed scenarios again.

    Args:
        plan: options of the gate.
        evidence: folder for the evidence of failed scenarios.
        console: takes complaints of pytest.
        feed: takes the events.
    """
    started_at, start = time.time(), time.monotonic()
    options = plan.options
    feed.tell(_begin(plan, started_at))
    rounds = [_round(options, plan.sabotages, evidence, console, feed, scenarios=not plan.sabotages_only)]
    until = start + 60 * (plan.minutes or 0)
    while time.monotonic() < until and _has_passed(rounds[-1]):
        seeded = replace(options, seed=options.seed + len(rounds))
        feed.tell(RoundBegun(number=len(rounds) + 1, seed=seeded.seed))
        rounds.append(_round(seeded, (), evidence, console, feed))
    outcomes = results.worst([each.scenarios for each in rounds])
    return GateRun(
        plan,
        started_at,
        time.monotonic() - start,
        tuple(outcomes),
        rounds[0].sabotages,
        tuple(_again(options, outcomes, feed)),
        len(rounds),
        next((each.hub_wireguard for each in rounds if each.hub_wireguard), ""),
        problems=tuple(dict.fromkeys(problem for each in rounds for problem in each.problems)),
    )


def _has_passed(one: _Round) -> bool:
    return not one.problems and all(each.is_proven for each in one.scenarios)


def _begin(plan: GatePlan, started_at: float) -> RunBegun:
    is_own = plan.options.live is None
    return RunBegun(
        version=VERSION,
        started_at=utc(started_at),
        profile=plan.profile,
        seed=plan.options.seed,
        # The events may be published, so they do not name a service that others run.
        subject="the service in a lab of its own" if is_own else "a service that runs elsewhere",
        claims=[PlannedClaim(each.id, each.sentence) for each in plan.claims],
        sabotages=[PlannedSabotage(each.id, each.claim, each.broke) for each in plan.sabotages],
    )


def _round(
    options: RunOptions,
    sabotages: Sequence[Sabotage],
    evidence: Path,
    console: Console,
    feed: Feed,
    *,
    scenarios: bool = True,
) -> _Round:
    many = concurrency(options)
    with runs.scenario_numbers() as numbers, _opened(evidence) as folder:
        shared = Shared(feed.descriptor, folder)
        pooled = replace(shared, numbers=numbers)
        with ThreadPoolExecutor(many.runs) as pool:
            parts = [
                pool.submit(_scenarios, each, pooled, _BESIDE_OTHERS)
                for each in _with_each_store(options, many.scenarios if scenarios else 0)
            ]
            # Sabotages that mostly wait start first: they use little of the processors, and would prolong the end.
            begun = {
                each.id: pool.submit(_sabotage, options, each, feed, _BESIDE_OTHERS)
                for each in _waiting_first(sabotages)
            }
        # The pool has ended. From here on, there is one run at a time.
        finished = [part.result() for part in parts]
        if not all(each.was_run for each in results.merge([part.outcomes for part in finished])):
            alone = options.stored_as_drawn("exclusive")
            finished.append(_scenarios(alone, shared, _EXCLUSIVE))
        tried = [begun[each.id].result() for each in sabotages]
        judged = [each if each.was_run else _sabotage(options, each.sabotage, feed, _EXCLUSIVE) for each in tried]
    for each in finished:
        if each.complaint:
            console.print(escape(each.excerpt), style="red")
    return _Round(
        tuple(results.merge([each.outcomes for each in finished])),
        tuple(judged),
        next((each.hub_wireguard for each in finished if each.hub_wireguard), ""),
        # Whatever the scenarios say: something went wrong that is in none of their verdicts.
        tuple(f"A run of scenarios went wrong: {each.problem}." for each in finished if each.problem),
    )


def _scenarios(options: RunOptions, shared: Shared, exclusive: str) -> RunResult:
    # What leads to a service that runs elsewhere is inherited by programs.
    if options.live is not None:
        return runs.run(options, exclusive, shared=shared)
    return forked_runs.run_product(options, shared, exclusive)


def _with_each_store(options: RunOptions, number: int) -> list[RunOptions]:
    """Returns the options of runs beside each other; two of them cover both stores, the seed draws which is first."""
    if options.store is not None:
        return [options] * number
    first = STORES.index(draw_store(options.seed, "first"))
    return [replace(options, store=STORES[(first + each) % len(STORES)]) for each in range(number)]


def _waiting_first(sabotages: Sequence[Sabotage]) -> list[Sabotage]:
    latest_first = sabotages[::-1]
    return [each for each in latest_first if each.waits] + [each for each in latest_first if not each.waits]


def _again(options: RunOptions, outcomes: Sequence[ScenarioResult], feed: Feed) -> Iterator[ScenarioResult]:
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
        feed.tell(ScenarioRepeated(claim=each.claim, scenario=clipped(each.name)))
        alike = replace(options, claim=each.claim, seed=each.seed, store=each.store)
        for outcome in runs.run(alike, f"--scenario={each.name.partition('[')[0]}").outcomes:
            if outcome.name == each.name:
                why = clipped(outcome.failure or "")
                feed.tell(
                    ScenarioRepeated(claim=each.claim, scenario=clipped(each.name), verdict=outcome.verdict, why=why)
                )
                yield outcome


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sabotage(options: RunOptions, sabotage: Sabotage, feed: Feed, exclusive: str) -> SabotageResult:
    """Runs one sabotage, unless its scenario needs a run without others beside it."""
    start = time.monotonic()
    feed.tell(SabotageBegun(sabotage=sabotage.id, claim=sabotage.claim))
    quick = replace(options, claim=sabotage.claim, profile="quick").stored_as_drawn(sabotage.id)
    finished = forked_runs.run(quick, sabotage, exclusive)
    if exclusive == _BESIDE_OTHERS and finished.ran_nothing:
        feed.tell(SabotageEnded(sabotage=sabotage.id, claim=sabotage.claim, outcome="postponed"))
        return SabotageResult(sabotage, False, "", 0.0, was_run=False)
    caught, text = judge_sabotage(sabotage, finished)
    seconds = time.monotonic() - start
    outcome = "noticed" if caught else "missed"
    feed.tell(
        SabotageEnded(
            sabotage=sabotage.id, claim=sabotage.claim, outcome=outcome, seconds=round(seconds, 3), why=clipped(text)
        )
    )
    conditions = next((each.conditions for each in finished.outcomes if each.conditions), {})
    return SabotageResult(sabotage, caught, text, seconds, conditions=conditions)


def judge_sabotage(sabotage: Sabotage, finished: RunResult) -> tuple[bool, str]:
    """Decides whether a run noticed a sabotage.

    Only a refutation with the words of this sabotage counts: a service that does not work at all shows nothing about
    the scenario.

    Returns:
        True if it did, and the failure text of the scenario, or the reason why there is none.
    """
    refuted = [each for each in finished.outcomes if each.verdict == Verdict.REFUTED]
    telling = [each for each in refuted if sabotage.is_told_by(each.failure or "")]
    if telling:
        return True, f"{telling[0].name}: {telling[0].failure}"
    text = "; ".join(f"{each.name}: {each.verdict} {each.failure or ''}".strip() for each in finished.outcomes)
    return False, text or f"no scenario ran: {finished.complaint[-500:]}"
