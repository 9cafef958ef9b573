"""Body of ``gate``: the published claims, and the transcript of a run."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import typer

from harness.cli import stages
from harness.cli.checks import check_choice, check_folder, check_number, check_ssh, checked_target
from harness.cli.choices import PROFILES, WIREGUARD
from harness.cli.console import CONSOLE
from harness.cli.installed import MUTATION
from harness.cli.stages import StageResult
from harness.cli.watching import Watch, entered
from harness.events.feed import Feed
from harness.gate import gate as gates
from harness.gate import transcripts
from harness.gate.claims import BY_ID
from harness.gate.logged_run import LoggedRun
from harness.gate.plans import MUTANTS, GatePlan
from harness.gate.progress import Progress
from harness.gate.runs import RunOptions
from harness.paths import REPORTS, TESTS
from harness.subject import live as lives
from harness.subject.live import Ssh
from harness.world import evidence
from harness.world.conditions import CHOICES
from netlab import sandbox
from reports.cli import summarize
from reports.ending import BAD_USAGE, CANNOT_CREATE, NO_INPUT, NOT_CONFIGURED, UNAVAILABLE, end
from reports.errors import AttestationError, NotKept
from reports.events.format import MutantJudged, MutantsDrawn, RunEnded, clipped
from reports.events.recording import Recorder
from reports.installed import require
from reports.keys import Signer
from reports.log.folder import LogError
from reports.schema import MutantVerdict
from reports.tree import TreeError

_SOAK_MINUTES = 60.0


@dataclass(frozen=True)
class Chosen:
    """Conditions that the options fix; the seed draws the others. Words as in `harness.world.conditions`."""

    outside: str | None = None
    loss: str | None = None
    reorder: str | None = None
    store: str | None = None


@dataclass(frozen=True)
class GateRequest:
    """Options of ``gate`` as they were given, each named as its option is."""

    claim: str | None
    profile: str
    seed: int | None
    wireguard: str
    patience: float
    minutes: float | None
    target: str | None
    authority: Path | None
    ssh: Ssh | None
    watch: str | None
    state: Path | None
    chosen: Chosen
    mutants: int | None
    sabotages_only: bool
    throwaway_key: bool


def run(given: GateRequest) -> None:
    """Runs the gate and ends with its exit code."""
    _check_combination(given)
    _check_values(given)
    if given.target is not None:
        target = checked_target(given.target, given.sabotages_only)
        if not sandbox.inside():
            _export_target(target, given.authority, given.ssh)
    check_folder(REPORTS)
    with entered(given.watch, given.state) as watching:
        live = None if given.target is None else lives.find()
        seed = random.SystemRandom().randrange(2**31) if given.seed is None else given.seed
        options = RunOptions(
            given.claim, given.profile, seed, given.wireguard, given.patience, live, **asdict(given.chosen)
        )
        plan = plan_of(options, given.minutes, sabotages_only=given.sabotages_only)
        if given.mutants is not None:
            plan = replace(plan, mutants=given.mutants)
        passed, _, _ = run_and_publish(plan, watching, throwaway_key=given.throwaway_key)
    raise typer.Exit(0 if passed else 1)


def _check_combination(given: GateRequest) -> None:
    """Ends the command if options do not go together, or need what is not installed."""
    if given.minutes is not None and given.profile != "soak":
        end("--minutes goes with --profile soak.", BAD_USAGE)
    if given.sabotages_only and given.profile == "soak":
        end("--sabotage is one round: it does not go with --profile soak.", BAD_USAGE)
    if given.mutants and (given.target is not None or given.profile == "soak"):
        end("--mutants is for one round against the lab's own service.", BAD_USAGE)
    if given.mutants and not TESTS.is_dir():
        end("The tests are not installed: mutants are judged in a checkout.", UNAVAILABLE)
    if given.target is not None and given.chosen != Chosen():
        end("--outside, --loss, --reorder and --store are for the lab's own service, not for --target.", BAD_USAGE)


def _check_values(given: GateRequest) -> None:
    """Ends the command if an option has a value that it does not take."""
    check_choice("claim", given.claim, (None, *BY_ID))
    check_choice("profile", given.profile, PROFILES)
    check_choice("wireguard", given.wireguard, WIREGUARD)
    for name, choices in CHOICES.items():
        check_choice(name, getattr(given.chosen, name), (None, *choices))
    check_number("minutes", given.minutes)
    check_number("patience", given.patience)
    if given.ssh is not None:
        check_ssh(given.ssh, given.target)


def _export_target(url: str, authority: Path | None, ssh: Ssh | None) -> None:
    try:
        lives.export(url, authority, ssh)
    except OSError as error:
        end(f"{error.filename} can't be read: {error.strerror}.", NO_INPUT)
    except RuntimeError:
        end("--ssh-known-hosts begins with ~, and no user's home is known by that name.", NO_INPUT)


def plan_of(options: RunOptions, minutes: float | None = None, *, sabotages_only: bool = False) -> GatePlan:
    """Returns the plan of a run: with mutants if it is a full one of everything, in rounds of full if it is a soak."""
    if options.profile != "soak":
        plan = GatePlan(options, sabotages_only)
        return replace(plan, mutants=MUTANTS) if plan.is_full and TESTS.is_dir() else plan
    return GatePlan(replace(options, profile="full"), minutes=_SOAK_MINUTES if minutes is None else minutes)


def run_and_publish(plan: GatePlan, watch: Watch, *, throwaway_key: bool = False) -> tuple[bool, int, int]:
    """Runs the gate and publishes its transcript.

    Args:
        plan: options of the gate.
        watch: shows the run as it happens.
        throwaway_key: True to sign with a key for this run alone.

    Returns:
        True if it passed, the number of scenarios and sabotages that did, and the number of those that did not.

    Raises:
        Exit: the plan has mutants, and what makes them is not installed.
    """
    if plan.mutants:
        require(*MUTATION)
    logged = _begin(plan, throwaway_key=throwaway_key)
    evidence_folder, recorder = evidence.new_folder(REPORTS), Recorder(REPORTS)
    try:
        with Feed(recorder.add, watch.take, Progress(CONSOLE).show) as feed:
            run = with_mutants(gates.run(plan, evidence_folder, CONSOLE, feed), feed)
            contract = _contract(plan)
            run = with_contract(run, contract)
            judged = logged.judge(transcripts.transcript_of(run))
            feed.tell(
                RunEnded(
                    verdict=judged.verdict,
                    seconds=judged.seconds,
                    problems=judged.problems,
                    left_out=recorder.left_out,
                )
            )
        transcript, folder = logged.write(judged, REPORTS, evidence_folder, recorder.compressed())
    finally:
        shutil.rmtree(evidence_folder, ignore_errors=True)
        recorder.discard()
    summarize(transcript, CONSOLE)
    CONSOLE.print(f"transcript: {os.path.relpath(folder)}/transcript.html ({transcript.verdict}, {run.seconds:.0f} s)")
    CONSOLE.print(logged.signature(transcript), highlight=False, soft_wrap=True, markup=False)
    watch.link(folder)
    good = sum(each.is_proven for each in run.scenarios) + sum(each.caught for each in run.sabotages)
    bad = len(run.scenarios) + len(run.sabotages) - good
    survived = sum(each.verdict == "survived" for each in run.mutants)
    good, bad = good + len(run.mutants) - survived, bad + survived
    good, bad = good + contract.passed, bad + contract.failed
    passed = transcript.verdict == "pass"
    watch.wait_for_readers()
    return passed, good, bad if passed or bad else 1


def with_mutants(run: gates.GateRun, feed: Feed) -> gates.GateRun:
    """Tries the mutants of a plan, if it has some. That there are none to draw is a problem."""
    options, start = run.plan.options, time.monotonic()
    if not run.plan.mutants:
        return run
    # Here, because other runs do not need what changes the product's text.
    from harness.mutation import equivalent, trial

    drawn = trial.drawn(run.plan.mutants, options.seed)
    feed.tell(MutantsDrawn(count=len(drawn)))
    if not drawn:
        return replace(run, problems=(*run.problems, f"No mutant could be drawn, and {run.plan.mutants} were wanted."))
    with tempfile.TemporaryDirectory() as folder:
        court = trial.court(Path(folder), options.seed % 2**32, options.patience)
        found = trial.tried(drawn, court, equivalent.read(), lambda each: _tell(each, feed))
    return replace(run, mutants=tuple(found), seconds=run.seconds + time.monotonic() - start)


def _contract(plan: GatePlan) -> StageResult:
    """Checks the API's contract if the plan has that."""
    if not plan.is_full:
        return StageResult("contract", 0, 0, 0.0)
    CONSOLE.print("the API's contract: generated requests for each operation")
    return stages.contract(plan.options.seed)


def with_contract(run: gates.GateRun, contract: StageResult) -> gates.GateRun:
    has_passed = not run.plan.is_full or (contract.passed > 0 and contract.failed == 0)
    problems = () if has_passed else (f"The check of the API's contract does not pass: {contract}.",)
    return replace(run, problems=(*run.problems, *problems), seconds=run.seconds + contract.seconds)


def _tell(mutant: MutantVerdict, feed: Feed) -> None:
    told = MutantJudged(
        mutant=clipped(mutant.id), verdict=mutant.verdict, seconds=mutant.seconds, why=clipped(mutant.words)
    )
    feed.tell(told)


def _begin(plan: GatePlan, *, throwaway_key: bool) -> LoggedRun:
    try:
        signer = Signer.for_one_run() if throwaway_key else Signer.find()
        if signer.is_new:
            CONSOLE.print(f"a signing key was made: {signer.file}", highlight=False, soft_wrap=True, markup=False)
        return LoggedRun.begin(signer, REPORTS, plan.profile, plan.options.seed)
    except (NotKept, LogError) as error:
        end(str(error), CANNOT_CREATE)
    except AttestationError as error:
        end(str(error), NOT_CONFIGURED)
    except TreeError as error:
        end(str(error), NO_INPUT)
