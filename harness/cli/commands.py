"""What the commands of this package do; `cli` has their options."""

from __future__ import annotations

import math
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

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
from harness.cli import stages
from harness.cli.interactive import run as run_lab
from harness.gate import gate as gates
from harness.gate import transcripts
from harness.gate.claims import BY_ID
from harness.gate.runs import RunOptions
from harness.judging.verdicts import Inconclusive, Refuted
from harness.paths import CACHE, REPORTS
from harness.subject import addresses
from harness.subject import inward as inwards
from harness.subject import live as lives
from harness.subject.inward import Inward
from harness.subject.live import Ssh
from harness.world import evidence
from netlab import NetlabError, SandboxError, sandbox
from reports import texts
from reports.attest import AttestationError, Signer
from reports.cli import summarize

_PROFILES = ("quick", "full", "soak")
_WIREGUARD = ("auto", "kernel", "wireguard-go", "boringtun")
_SOAK_MINUTES = 60.0
_USER = re.compile(r"[^@:/\s]+")
_BAD_USAGE = 64
_NO_INPUT = 66
_UNAVAILABLE = 69
_ADDRESS_IN_USE = 71
_CANNOT_CREATE = 73
_NO_SANDBOX = 77
_NOT_CONFIGURED = 78

# Whoever reads a file or a pipe has no width; the tables have one that fits them.
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
        _end("--minutes goes with --profile soak.", _BAD_USAGE)
    if sabotages_only and profile == "soak":
        _end("--sabotage is one round: it does not go with --profile soak.", _BAD_USAGE)
    _check_choice("claim", claim, (None, *BY_ID))
    _check_choice("profile", profile, _PROFILES)
    _check_choice("wireguard", wireguard, _WIREGUARD)
    _check_number("minutes", minutes)
    _check_number("patience", patience)
    if ssh is not None:
        _check_ssh(ssh, target)
    if target is not None:
        target = _checked_target(target, sabotages_only)
        if not sandbox.inside():
            _export_target(target, authority, ssh)
    _check_folder(REPORTS)
    _enter_sandbox()
    live = None if target is None else lives.find()
    seed = random.SystemRandom().randrange(2**31) if seed is None else seed
    options = RunOptions(claim, profile, seed, wireguard, patience, live)
    passed, _, _ = _gate(_plan(options, minutes, sabotages_only))
    raise typer.Exit(0 if passed else 1)


def run_everything(only: str | None, profile: str) -> None:
    """Runs the stages and the gate, and ends with the exit code."""
    wanted = (*stages.STAGES, "gate")
    _check_choice("only", only, (None, *wanted))
    _check_choice("profile", profile, _PROFILES)
    for folder in (CACHE, REPORTS):
        _check_folder(folder)
    _enter_sandbox()
    _check_nftables()
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
    # Alone on its line, and last: programs look for it.
    print(stages.counts(outcomes))
    raise typer.Exit(1 if any(each.failed for each in outcomes) else 0)


def _show_skipped(skipped: Counter[str]) -> None:
    if skipped:
        _console.print("skipped, since this machine can't run them:")
    for reason, count in skipped.most_common():
        _console.print(f"{count:5}  {reason}", markup=False)


def lab(machines: int, listen: str, wireguard: str) -> None:
    """Runs a lab until it is no longer wanted."""
    _check_choice("wireguard", wireguard, _WIREGUARD)
    inward = _enter_sandbox_with_way_in("listen", listen)
    try:
        run_lab(machines, wireguard, inward, _console)
    except (Inconclusive, Refuted) as error:
        _end(f"The lab could not be built: {error}", _UNAVAILABLE)


def bench(json: Path | None, profile: str, only: list[str], organizations: int | None, wireguard: str) -> None:
    """Measures, shows and writes the rows, and ends with the exit code."""
    _check_choice("profile", profile, tuple(EFFORTS))
    _check_choice("wireguard", wireguard, _WIREGUARD)
    wanted = [row for words in only for row in words.split(",")]
    for row in wanted:
        _check_choice("only", row, tuple(target.id for target in GOALS))
    if json is not None:
        _check_writable(json)
    _enter_sandbox()
    effort = EFFORTS[profile] if organizations is None else EFFORTS[profile].with_at_most(organizations)

    def keep(measured: dict[str, Measured]) -> None:
        if json is not None:
            benches.write(json, measured)

    # Also when nothing comes of it: an older file must not pass for this run's.
    keep({})
    outcome = benches.run(chosen(profile, wanted), wanted, effort, wireguard, _console, keep)
    benches.show(outcome, _console)
    if outcome.failed:
        raise typer.Exit(_UNAVAILABLE)
    raise typer.Exit(1 if any(row.met is False for row in rows(outcome.measured)) else 0)


def _checked_target(url: str, sabotages_only: bool) -> str:
    if sabotages_only:
        _end("--sabotage breaks the service, which --target says is somebody's.", _BAD_USAGE)
    try:
        return addresses.service_url(url)
    except ValueError:
        _end(f"--target takes https://HOST[:PORT], not {url!r}.", _BAD_USAGE)


def _check_ssh(ssh: Ssh, target: str | None) -> None:
    user, at, host = ssh.destination.rpartition("@")
    try:
        _, port = addresses.parse(host)
    except ValueError:
        port = 0
    if not at or not _USER.fullmatch(user) or port == 0:
        _end(f"--ssh takes USER@HOST[:PORT], not {ssh.destination!r}.", _BAD_USAGE)
    if target is None:
        _end("--ssh goes with --target.", _BAD_USAGE)
    if "{}" not in ssh.control:
        _end("--ssh-control takes a command with {} where stop and start belong.", _BAD_USAGE)


def _export_target(url: str, authority: Path | None, ssh: Ssh | None) -> None:
    try:
        lives.export(url, authority, ssh)
    except OSError as error:
        _end(f"{error.filename} can't be read: {error.strerror}.", _NO_INPUT)
    except RuntimeError:
        _end("--ssh-known-hosts begins with ~, and nobody's home is known by that name.", _NO_INPUT)


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
    _check_choice("wireguard", wireguard, _WIREGUARD)
    try:
        wanted = read_slo(slo or DEFAULT_SLO)
    except BadSlo as error:
        _end(str(error), _NO_INPUT)
    if json is not None:
        _check_writable(json)
        # Whatever comes of it: an older file must not pass for this run's. What is no file has no older content.
        if json.is_file():
            json.unlink()
    inward = None
    if web is None:
        _enter_sandbox()
    else:
        inward = _enter_sandbox_with_way_in("web", web)
    try:
        options = BurstOptions(organizations, at_once, keep, processes, wireguard)
        figures = bursts.run(options, inward, wanted, _console)
    except (Inconclusive, NetlabError) as error:
        _end(f"The burst could not be run: {error}", _UNAVAILABLE)
    met = not wanted.missed_by(figures)
    if json is not None:
        write_report(json, figures, met=met)
    raise typer.Exit(0 if met else 1)


def _plan(options: RunOptions, minutes: float | None, sabotages_only: bool) -> gates.Plan:
    if options.profile != "soak":
        return gates.Plan(options, sabotages_only)
    return gates.Plan(replace(options, profile="full"), minutes=_SOAK_MINUTES if minutes is None else minutes)


def _gate(plan: gates.Plan) -> tuple[bool, int, int]:
    """Runs the gate and publishes its transcript; tells whether it passed, and how much of it did and did not."""
    try:
        signer = Signer.find()
    except AttestationError as error:
        _end(str(error), _NOT_CONFIGURED)
    left = evidence.new_folder(REPORTS)
    try:
        run = gates.run(plan, left, _console)
        transcript = transcripts.transcript_of(run)
        folder = transcripts.publish(transcript, REPORTS, signer, left)
    finally:
        shutil.rmtree(left, ignore_errors=True)
    summarize(transcript, _console)
    _console.print(f"transcript: {os.path.relpath(folder)}/transcript.html ({transcript.verdict}, {run.seconds:.0f} s)")
    good = sum(each.is_proven for each in run.scenarios) + sum(each.caught for each in run.sabotages)
    bad = len(run.scenarios) + len(run.sabotages) - good
    passed = transcript.verdict == "pass"
    if plan.has_contract:
        _console.print("the API's contract: made up requests for each call")
        contract = stages.contract(plan.options.seed)
        passed, good, bad = passed and contract.failed == 0, good + contract.passed, bad + contract.failed
    return passed, good, bad if passed or bad else 1


def _enter_sandbox_with_way_in(option: str, listen: str) -> Inward:
    """Goes on inside a sandbox that is reached at an address of the outside."""
    inward = inwards.find()
    if inward is not None:
        return inward
    try:
        host, port = addresses.parse(listen)
    except ValueError:
        port = None
    if port is None:
        _end(f"--{option} takes HOST:PORT, an IPv6 address in brackets, not {listen!r}.", _BAD_USAGE)
    try:
        inward = inwards.make(host, port)
    except OSError as error:
        _end(f"The lab's pages can't be reached at {listen}: {error.strerror}.", _ADDRESS_IN_USE)
    if not sandbox.inside():
        inward.export()
        _enter_sandbox()
    return inward


def _enter_sandbox() -> None:
    """Goes on inside a sandbox, of which nothing is left however the command ends."""
    if sandbox.inside():
        return
    try:
        sandbox.check()
    except SandboxError as error:
        _end(str(error), _NO_SANDBOX)
    sandbox.enter([sys.executable, "-m", "appliance", *sys.argv[1:]])


def _check_nftables() -> None:
    """End unless the hub's rules can be had here: nearly everything is about them."""
    try:
        done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
        reason = done.stderr.strip().partition("\n")[0] if done.returncode else ""
    except OSError as error:
        reason = f"nft: {error.strerror}"
    if reason:
        _end(f"The tests need nftables, which can't be used here ({reason}): ./meshwg doctor says more.", _UNAVAILABLE)


def _check_writable(path: Path) -> None:
    try:
        found = path.resolve()
        can_be = not found.is_dir() and os.access(found if found.exists() else found.parent, os.W_OK)
    except (OSError, RuntimeError):
        can_be = False
    if not can_be:
        _end(f"{str(path)!r} can't be written.", _CANNOT_CREATE)


def _check_folder(path: Path) -> None:
    """End unless files can be put into a folder, which is made if it is not there."""
    present = next(each for each in (path, *path.parents) if each.exists())
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        _end(f"The folder {str(path)!r} can't be written.", _CANNOT_CREATE)


def _check_number(option: str, value: float | None) -> None:
    # What is no number is not below any bound either.
    if value is not None and not math.isfinite(value):
        _end(f"--{option} takes a number, not {value}.", _BAD_USAGE)


def _check_choice(option: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        _end(f"--{option} takes one of {', '.join(filter(None, choices))}, not {value!r}.", _BAD_USAGE)


def _end(sentence: str, code: int) -> NoReturn:
    print(f"meshwg: {texts.one_line(sentence)}", file=sys.stderr)
    raise typer.Exit(code)
