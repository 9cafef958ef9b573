"""Body of ``test``: everything that CI runs."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import typer

from harness.cli import checks, stages
from harness.cli.checks import check_choice, check_folder, check_nftables, end
from harness.cli.choices import PROFILES
from harness.cli.commands.gate import plan_of, run_and_publish
from harness.cli.console import CONSOLE
from harness.cli.watching import Watch, entered
from harness.gate.runs import RunOptions
from harness.paths import CACHE, REPORTS


def run(only: str | None, profile: str, watch: str | None, *, throwaway_key: bool) -> None:
    """Runs the stages and the gate, and ends with the exit code."""
    wanted = (*stages.CHECKS, "unit", "gate")
    check_choice("only", only, (None, *wanted))
    check_choice("profile", profile, PROFILES)
    if watch is not None and only not in (None, "gate"):
        end("--watch shows the gate, and --only leaves it out.", checks.BAD_USAGE)
    for folder in (CACHE, REPORTS):
        check_folder(folder)
    with entered(watch) as watching:
        check_nftables()
        _run_all(wanted if only is None else (only,), profile, watching, throwaway_key=throwaway_key)


def _run_all(wanted: Sequence[str], profile: str, watch: Watch, *, throwaway_key: bool) -> NoReturn:
    start = time.monotonic()
    outcomes = []
    for name in wanted:
        CONSOLE.rule(name, align="left")
        if name == "gate":
            began = time.monotonic()
            options = RunOptions(profile=profile, seed=random.SystemRandom().randrange(2**31))
            _, good, bad = run_and_publish(plan_of(options), watch, throwaway_key=throwaway_key)
            outcomes.append(stages.StageResult(name, good, bad, time.monotonic() - began))
        else:
            outcomes.append(stages.unit(profile) if name == "unit" else stages.CHECKS[name]())
    CONSOLE.rule("summary", align="left")
    for each in outcomes:
        mark = "[green]passed[/]" if each.failed == 0 else "[red]FAILED[/]"
        CONSOLE.print(f"{each.stage:8} {mark}  {each}, {each.seconds:.0f} s")
    for each in outcomes:
        if each.left:
            CONSOLE.print(f"left to --profile full by {each.stage}: {each.left}", markup=False)
    _show_skipped(stages.skipped_by(outcomes))
    CONSOLE.print(f"took {time.monotonic() - start:.0f} s")
    # The last line, by itself, for programs to read.
    print(stages.counts(outcomes))
    raise typer.Exit(1 if any(each.failed for each in outcomes) else 0)


def _show_skipped(skipped: Counter[str]) -> None:
    if skipped:
        CONSOLE.print("skipped, since this machine can't run them:")
    for reason, count in skipped.most_common():
        CONSOLE.print(f"{count:5}  {reason}", markup=False)
