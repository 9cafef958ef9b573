"""Bodies of this package's commands; `options` has their options."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections import Counter
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import typer
from rich.console import Console

from harness.bench import run as benches
from harness.bench.goals import GOALS, Measured, rows
from harness.bench.plan import EFFORTS, chosen
from harness.burst import command as bursts
from harness.burst.command import BurstOptions
from harness.burst.report import write as write_report
from harness.burst.slo import DEFAULT as DEFAULT_SLO
from harness.burst.slo import BadSlo
from harness.burst.slo import read as read_slo
from harness.cli import checks, stages
from harness.cli.checks import (
    check_choice,
    check_folder,
    check_nftables,
    check_number,
    check_ssh,
    check_writable,
    checked_target,
    end,
)
from harness.cli.entering import enter_sandbox, enter_sandbox_with_way_in
from harness.cli.interactive import run as run_lab
from harness.cli.outcomes import exit_code, show_outcome, show_summary
from harness.client.api import Api, ApiError
from harness.gate import gate as gates
from harness.gate import transcripts
from harness.gate.claims import BY_ID
from harness.gate.runs import RunOptions
from harness.judging.verdicts import Inconclusive, Refuted
from harness.paths import CACHE, REPORTS
from harness.proof import ENGINES, Disagreement, by_cost
from harness.subject import live as lives
from harness.subject.live import Ssh
from harness.world import evidence
from harness.world.proving import (
    Engines,
    Failure,
    Organization,
    ProofOptions,
    Proven,
    Unavailable,
    of_operator,
    of_token,
    prove_policies,
    run_here,
)
from netlab import NetlabError, sandbox
from reports.attest import AttestationError, Signer
from reports.cli import summarize

_PROFILES = ("quick", "full", "soak")
_WIREGUARD = ("auto", "kernel", "wireguard-go", "boringtun")
_SOAK_MINUTES = 60.0

# A file or a pipe has no width, so the tables get one that fits.
_console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def gate(
    claim: str | None,
    profile: str,
    seed: int | None,
    wireguard: str,
    patience: float,
    minutes: float | None,
    target: str | None,
    authority: Path | None,
    ssh: Ssh | None,
    *,
    sabotages_only: bool,
) -> None:
    """Runs the gate and ends with its exit code."""
    if minutes is not None and profile != "soak":
        end("--minutes goes with --profile soak.", checks.BAD_USAGE)
    if sabotages_only and profile == "soak":
        end("--sabotage is one round: it does not go with --profile soak.", checks.BAD_USAGE)
    check_choice("claim", claim, (None, *BY_ID))
    check_choice("profile", profile, _PROFILES)
    check_choice("wireguard", wireguard, _WIREGUARD)
    check_number("minutes", minutes)
    check_number("patience", patience)
    if ssh is not None:
        check_ssh(ssh, target)
    if target is not None:
        target = checked_target(target, sabotages_only)
        if not sandbox.inside():
            _export_target(target, authority, ssh)
    check_folder(REPORTS)
    enter_sandbox()
    live = None if target is None else lives.find()
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    options = RunOptions(claim, profile, seed, wireguard, patience, live)
    passed, _, _ = _gate(_plan(options, minutes, sabotages_only))
    raise typer.Exit(0 if passed else 1)


def run_everything(only: str | None, profile: str) -> None:
    """Runs the stages and the gate, and ends with the exit code."""
    wanted = (*stages.STAGES, "gate")
    check_choice("only", only, (None, *wanted))
    check_choice("profile", profile, _PROFILES)
    for folder in (CACHE, REPORTS):
        check_folder(folder)
    enter_sandbox()
    check_nftables()
    start = time.monotonic()
    outcomes = []
    for name in wanted if only is None else (only,):
        _console.rule(name, align="left")
        if name == "gate":
            began = time.monotonic()
            options = RunOptions(profile=profile, seed=random.SystemRandom().randrange(2**31))
            _, good, bad = _gate(_plan(options, None, sabotages_only=False))
            outcomes.append(stages.StageResult(name, good, bad, time.monotonic() - began))
        else:
            outcomes.append(stages.STAGES[name]())
    _console.rule("summary", align="left")
    for each in outcomes:
        mark = "[green]passed[/]" if each.failed == 0 else "[red]FAILED[/]"
        _console.print(f"{each.stage:8} {mark}  {each}, {each.seconds:.0f} s")
    _show_skipped(stages.skipped_by(outcomes))
    _console.print(f"took {time.monotonic() - start:.0f} s")
    # The last line, by itself, for programs to read.
    print(stages.counts(outcomes))
    raise typer.Exit(1 if any(each.failed for each in outcomes) else 0)


def _show_skipped(skipped: Counter[str]) -> None:
    if skipped:
        _console.print("skipped, since this machine can't run them:")
    for reason, count in skipped.most_common():
        _console.print(f"{count:5}  {reason}", markup=False)


def lab(machines: int, listen: str, wireguard: str) -> None:
    """Runs a lab until the user ends it."""
    check_choice("wireguard", wireguard, _WIREGUARD)
    inward = enter_sandbox_with_way_in("listen", listen)
    try:
        run_lab(machines, wireguard, inward, _console)
    except (Inconclusive, Refuted) as error:
        end(f"The lab could not be built: {error}", checks.UNAVAILABLE)


def bench(json: Path | None, profile: str, only: list[str], organizations: int | None, wireguard: str) -> None:
    """Measures, shows and writes the rows, and ends with the exit code."""
    check_choice("profile", profile, tuple(EFFORTS))
    check_choice("wireguard", wireguard, _WIREGUARD)
    wanted = [row for words in only for row in words.split(",")]
    for row in wanted:
        check_choice("only", row, tuple(goal.id for goal in GOALS))
    if json is not None:
        check_writable(json)
    enter_sandbox()
    effort = EFFORTS[profile] if organizations is None else EFFORTS[profile].with_at_most(organizations)

    def keep(measured: dict[str, Measured]) -> None:
        if json is not None:
            benches.write(json, measured)

    # Written first, so that a run that fails does not leave an older run's file.
    keep({})
    outcome = benches.run(chosen(profile, wanted), wanted, effort, wireguard, _console, keep)
    benches.show(outcome, _console)
    if outcome.failed:
        raise typer.Exit(checks.UNAVAILABLE)
    raise typer.Exit(1 if any(row.met is False for row in rows(outcome.measured)) else 0)


def _export_target(url: str, authority: Path | None, ssh: Ssh | None) -> None:
    try:
        lives.export(url, authority, ssh)
    except OSError as error:
        end(f"{error.filename} can't be read: {error.strerror}.", checks.NO_INPUT)
    except RuntimeError:
        end("--ssh-known-hosts begins with ~, and no user's home is known by that name.", checks.NO_INPUT)


def burst(
    organizations: int,
    at_once: int,
    keep: bool,
    processes: int,
    web: str | None,
    slo: Path | None,
    json: Path | None,
    wireguard: str,
) -> None:
    """Runs a burst, shows and writes its figures, and ends with the exit code."""
    check_choice("wireguard", wireguard, _WIREGUARD)
    try:
        wanted = read_slo(slo or DEFAULT_SLO)
    except BadSlo as error:
        end(str(error), checks.NO_INPUT)
    if json is not None:
        check_writable(json)
        # Removed first, so that a run that fails does not leave an older run's file. Devices and pipes stay.
        if json.is_file():
            json.unlink()
    inward = None
    if web is None:
        enter_sandbox()
    else:
        inward = enter_sandbox_with_way_in("web", web)
    try:
        options = BurstOptions(organizations, at_once, keep, processes, wireguard)
        figures = bursts.run(options, inward, wanted, _console)
    except (Inconclusive, NetlabError) as error:
        end(f"The burst could not be run: {error}", checks.UNAVAILABLE)
    met = not wanted.missed_by(figures)
    if json is not None:
        write_report(json, figures, met=met)
    raise typer.Exit(0 if met else 1)


def prove(
    organization: str | None,
    target: str,
    authority: Path | None,
    token_file: Path | None,
    engine: str | None,
    *,
    deletions: bool,
    pairs: bool,
) -> None:
    """Proves organizations' policies, shows what came of it, and ends with the exit code."""
    if organization is not None and token_file is not None:
        end("--organization does not go with --token-file: a token is of one organization.", checks.BAD_USAGE)
    check_choice("engine", engine, (None, *ENGINES, "both"))
    api = None if token_file is None else _api(target, authority, token_file)
    if os.geteuid() != 0:
        end("Namespaces and rules are read as root: use sudo.", checks.NO_SANDBOX)
    options = ProofOptions(_engines(engine), deletions=deletions or pairs, pairs=pairs)
    outcomes: list[Proven | Failure] = []
    try:
        with nullcontext() if api is None else closing(api):
            for outcome in prove_policies(partial(_organizations, api, organization), run_here, options):
                show_outcome(outcome, _console)
                outcomes.append(outcome)
    except (ApiError, Unavailable, httpx.TransportError) as error:
        end(f"Nothing was proven: {error}", checks.UNAVAILABLE)
    except Disagreement as error:
        end(f"The engines disagree, so one of them is wrong; please report it: {error}", checks.FAULT)
    show_summary(outcomes, _console)
    raise typer.Exit(exit_code(outcomes))


def _api(target: str, authority: Path | None, token_file: Path) -> Api:
    url = checked_target(target, sabotages_only=False)
    try:
        token = token_file.read_text().strip()
        if authority is not None:
            authority.read_bytes()
    except OSError as error:
        end(f"{error.filename} can't be read: {error.strerror}.", checks.NO_INPUT)
    return Api(url, authority, token)


def _engines(chosen: str | None) -> Engines:
    if chosen is None:
        return by_cost
    return lambda _: ENGINES if chosen == "both" else (chosen,)


def _organizations(api: Api | None, chosen: str | None) -> list[Organization]:
    return of_operator(run_here, chosen) if api is None else [of_token(api)]


def mutate(
    modules: list[str],
    judges: list[str],
    sample: int | None,
    seed: int,
    minutes: float,
    deadline: float,
    *,
    resume: bool,
    only_list: bool,
) -> None:
    """Judges mutants of the product, and ends with the exit code."""
    # Its libraries come with the tests, and the other commands do without them.
    from harness.cli import mutating

    mutating.run(modules, judges, sample, seed, minutes, deadline, _console, resume=resume, only_list=only_list)


def _plan(options: RunOptions, minutes: float | None, sabotages_only: bool) -> gates.GatePlan:
    if options.profile != "soak":
        return gates.GatePlan(options, sabotages_only)
    return gates.GatePlan(replace(options, profile="full"), minutes=_SOAK_MINUTES if minutes is None else minutes)


def _gate(plan: gates.GatePlan) -> tuple[bool, int, int]:
    """Runs the gate and publishes its transcript.

    Returns:
        True if it passed, the number of scenarios and sabotages that did, and the number of those that did not.
    """
    try:
        signer = Signer.find()
    except AttestationError as error:
        end(str(error), checks.NOT_CONFIGURED)
    evidence_folder = evidence.new_folder(REPORTS)
    try:
        run = gates.run(plan, evidence_folder, _console)
        transcript = transcripts.transcript_of(run)
        folder = transcripts.publish(transcript, REPORTS, signer, evidence_folder)
    finally:
        shutil.rmtree(evidence_folder, ignore_errors=True)
    summarize(transcript, _console)
    _console.print(f"transcript: {os.path.relpath(folder)}/transcript.html ({transcript.verdict}, {run.seconds:.0f} s)")
    good = sum(each.is_proven for each in run.scenarios) + sum(each.caught for each in run.sabotages)
    bad = len(run.scenarios) + len(run.sabotages) - good
    passed = transcript.verdict == "pass"
    if plan.has_contract:
        _console.print("the API's contract: generated requests for each operation")
        contract = stages.contract(plan.options.seed)
        passed, good, bad = passed and contract.failed == 0, good + contract.passed, bad + contract.failed
    return passed, good, bad if passed or bad else 1
