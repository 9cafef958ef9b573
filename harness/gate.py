"""The gate: runs the scenarios, then every sabotage, and says whether each claim is proven."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness import results
from harness.paths import CACHE, ROOT, SCENARIOS
from harness.results import Results, ScenarioResult
from harness.sabotage.catalogue import SABOTAGES, Sabotage
from harness.verdicts import Verdict
from netlab import sandbox

_SABOTAGES_AT_ONCE = 3
_DEADLINE = {"quick": 900.0, "full": 3600.0, "soak": 24 * 3600.0}


@dataclass(frozen=True)
class GateOptions:
    """What to run.

    Attributes:
        claim: only this one; all if None.
        seed: makes the run's choices.
    """

    claim: str | None = None
    profile: str = "quick"
    seed: int = 0
    wireguard: str = "auto"


@dataclass(frozen=True)
class SabotageResult:
    """Whether a break was noticed, and what the scenario said that noticed it."""

    sabotage: Sabotage
    caught: bool
    noticed: str
    seconds: float


@dataclass(frozen=True)
class GateRun:
    """What a run came to.

    Attributes:
        hub_wireguard: the implementation that the hub used, with its version; "" if no hub came up.
    """

    options: GateOptions
    started_at: float
    seconds: float
    scenarios: tuple[ScenarioResult, ...]
    sabotages: tuple[SabotageResult, ...]
    hub_wireguard: str = ""


def run(options: GateOptions, evidence: Path, console: Console) -> GateRun:
    """Runs the scenarios one after the other, then the sabotages side by side.

    Args:
        evidence: folder for what failed scenarios leave.
        console: where progress is told.
    """
    started_at, start = time.time(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        console.print(f"[bold]scenarios[/] (profile {options.profile}, seed {options.seed})")
        outcomes = _scenarios(options, Path(folder) / "scenarios.json", evidence)
        wanted = [each for each in SABOTAGES if options.claim in (None, each.claim)]
        console.print(f"[bold]sabotages[/] ({len(wanted)}; each has to be noticed)")
        with ThreadPoolExecutor(_SABOTAGES_AT_ONCE) as pool:
            sabotages = tuple(pool.map(lambda each: _sabotage(options, each, console), wanted))
    seconds = time.monotonic() - start
    return GateRun(options, started_at, seconds, tuple(outcomes.scenarios), sabotages, outcomes.hub_wireguard)


def _scenarios(options: GateOptions, target: Path, evidence: Path) -> Results:
    subprocess.run(
        [*_pytest(options, target), "--verbose", "--no-summary", f"--evidence={evidence}"],
        cwd=ROOT,
        env=_environment(),
        check=False,
        timeout=_DEADLINE[options.profile],
    )
    return results.read(target)


def _sabotage(options: GateOptions, sabotage: Sabotage, console: Console) -> SabotageResult:
    start = time.monotonic()
    quick = GateOptions(sabotage.claim, "quick", options.seed, options.wireguard)
    # Side by side, so each has a sandbox of its own; its temporary files are not ours, but an open file is.
    with tempfile.TemporaryFile() as file:
        target = Path(f"/dev/fd/{file.fileno()}")
        command = [*_pytest(quick, target), "--quiet", "--tb=no", f"--sabotage={sabotage.id}"]
        done = subprocess.run(
            sandbox.command(command, die_with_parent=True),
            cwd=ROOT,
            env=_environment(),
            pass_fds=[file.fileno()],
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE["quick"],
        )
        outcomes = results.read(target).scenarios
    refuted = [each for each in outcomes if each.verdict == Verdict.REFUTED.value]
    noticed = refuted[0].failure or "" if refuted else _unnoticed(outcomes, done.stdout)
    word = "noticed" if refuted else "[red]UNNOTICED[/]"
    console.print(f"  {sabotage.id} ({sabotage.claim}): {word}", highlight=False)
    return SabotageResult(sabotage, bool(refuted), noticed, time.monotonic() - start)


def _unnoticed(outcomes: Sequence[ScenarioResult], output: str) -> str:
    said = "; ".join(f"{each.name}: {each.verdict} {each.failure or ''}".strip() for each in outcomes)
    return said or f"no scenario ran: {output[-500:]}"


def _pytest(options: GateOptions, target: Path) -> list[str]:
    claim = [] if options.claim is None else [f"--claim={options.claim}"]
    return [
        sys.executable,
        "-m",
        "pytest",
        str(SCENARIOS),
        "--no-header",
        "-p",
        "no:cacheprovider",
        f"--results={target}",
        f"--profile={options.profile}",
        f"--seed={options.seed}",
        f"--hub-wireguard={options.wireguard}",
        f"--timeout={_DEADLINE[options.profile]:.0f}",
        *claim,
    ]


def _environment() -> dict[str, str]:
    # Settings of an operator on this machine are none of the run's.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MESHWG_")}
    return {**kept, "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis")}
