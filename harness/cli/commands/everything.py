"""Body of ``test``: everything that CI runs."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import typer

from harness.cli import stages
from harness.cli.checks import check_choice, check_folder, check_nftables
from harness.cli.choices import PROFILES
from harness.cli.commands.gate import plan_of, run_and_publish
from harness.cli.console import CONSOLE
from harness.cli.watching import Watch, entered
from harness.gate.runs import RunOptions
from harness.paths import CACHE, REPORTS
from reports.ending import BAD_USAGE, end

# Types come after the tests that they are checked beside.
_STAGES = ("lint", "imports", "unit", "types", "gate")


def run(only: str | None, profile: str, watch: str | None, *, throwaway_key: bool) -> None:
    """Runs the stages and the gate, and ends with the exit code."""
    check_choice("only", only, (None, *_STAGES))
    check_choice("profile", profile, PROFILES)
    if watch is not None and only not in (None, "gate"):
        end("--watch shows the gate, and --only leaves it out.", BAD_USAGE)
    for folder in (CACHE, REPORTS):
        check_folder(folder)
    with entered(watch) as watching:
        check_nftables()
        _run_all(_STAGES if only is None else (only,), profile, watching, throwaway_key=throwaway_key)


def _run_all(wanted: Sequence[str], profile: str, watch: Watch, *, throwaway_key: bool) -> NoReturn:
    start = time.monotonic()
    outcomes = list(_outcomes(wanted, profile, watch, throwaway_key=throwaway_key))
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


def _outcomes(
    wanted: Sequence[str], profile: str, watch: Watch, *, throwaway_key: bool
) -> Iterator[stages.StageResult]:
    """Runs the stages one after the other, but types beside those before: its program takes one processor, and long."""
    with ThreadPoolExecutor(1) as beside:
        types = beside.submit(stages.types) if "types" in wanted else None
        for name in wanted:
            if name == "gate":
                continue
            CONSOLE.rule(name, align="left")
            if name == "types" and types is not None:
                print(types.result().said, end="")
                yield types.result()
            else:
                yield stages.unit(profile) if name == "unit" else stages.CHECKS[name]()
    # Alone, because its verdicts are about time.
    if "gate" in wanted:
        CONSOLE.rule("gate", align="left")
        yield _gate(profile, watch, throwaway_key=throwaway_key)


def _gate(profile: str, watch: Watch, *, throwaway_key: bool) -> stages.StageResult:
    began = time.monotonic()
    options = RunOptions(profile=profile, seed=random.SystemRandom().randrange(2**31))
    _, good, bad = run_and_publish(plan_of(options), watch, throwaway_key=throwaway_key)
    return stages.StageResult("gate", good, bad, time.monotonic() - began)


def _show_skipped(skipped: Counter[str]) -> None:
    if skipped:
        CONSOLE.print("skipped, since this machine can't run them:")
    for reason, count in skipped.most_common():
        CONSOLE.print(f"{count:5}  {reason}", markup=False)
