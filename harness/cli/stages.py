"""Stages of `test` before the gate: lint, types, import rules, unit tests; and the API's contract for a full gate."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness import variables
from harness.paths import CACHE, ROOT

_CODE = ("appliance", "harness", "netlab", "reports", "scenarios", "tests", "conftest.py")
_DEADLINE = 1200.0
_CONTRACT = "tests/appliance/web/api/test_contract.py"
_EXAMPLES = 50
# Three more than there are cores. Tests wait for more than half of their time: for packets, processes, timers, and for
# the kernel to make and remove links and rules.
_WORKERS = (os.cpu_count() or 1) + 3
# Of the tests that took a second or more, the summary names so many.
_SLOWEST = 40
# Beginning of the line in which tests/conftest.py tells what the profile left out.
_LEFT = "left to --profile full: "
# A line of pytest's summary: how many, where, and why.
_SKIPPED = re.compile(r"SKIPPED \[(?P<count>\d+)\] .*?\.py(?::\d+)?: (?P<reason>.*)")


@dataclass(frozen=True)
class StageResult:
    """Result of a stage: checks or tests that passed and failed.

    Attributes:
        skipped: number of tests that this machine can't run, by the reason.
        left: what the quick profile left to the full one, in words; "" if nothing.
        said: output of its programs; "" if they wrote to the terminal themselves.
    """

    stage: str
    passed: int
    failed: int
    seconds: float
    skipped: Mapping[str, int] = field(default_factory=dict)
    left: str = ""
    said: str = ""

    def __str__(self) -> str:
        return counts([self])


def counts(outcomes: Iterable[StageResult]) -> str:
    """Returns the numbers of passed, failed and skipped tests, in a form that programs read."""
    found = list(outcomes)
    skipped = sum(sum(each.skipped.values()) for each in found)
    said = f"{sum(each.passed for each in found)} passed, {sum(each.failed for each in found)} failed"
    return f"{said}, {skipped} skipped" if skipped else said


def skipped_by(outcomes: Iterable[StageResult]) -> Counter[str]:
    """Counts the tests that this machine can't run, by the reason."""
    return sum((Counter(each.skipped) for each in outcomes), Counter())


def lint() -> StageResult:
    """Checks style and format."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    cache = f"--cache-dir={CACHE / 'ruff'}"
    return _commands("lint", [[ruff, "check", cache, *_CODE], [ruff, "format", "--check", cache, *_CODE]])


def types() -> StageResult:
    """Checks types, strictly, and writes nothing to the terminal: tests may do so meanwhile."""
    start = time.monotonic()
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mypy", f"--cache-dir={CACHE / 'mypy'}"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_DEADLINE,
    )
    failed = int(done.returncode != 0)
    return StageResult("types", 1 - failed, failed, time.monotonic() - start, said=done.stdout)


def imports() -> StageResult:
    """Checks that imports run one way."""
    linter = str(Path(sys.executable).with_name("lint-imports"))
    return _commands("imports", [[linter, "--cache-dir", str(CACHE / "imports")]])


def unit(profile: str) -> StageResult:
    """Runs unit tests in parallel, each worker in a sandbox of its own.

    Args:
        profile: profile of the gate; all but ``quick`` run every test with all of its examples and cases.
    """
    options = [f"--draw={random.SystemRandom().randrange(2**31)}"] if profile == "quick" else ["--profile=full"]
    return _in_parallel("unit", "tests", *options)


def contract(seed: int) -> StageResult:
    """Checks the API's answers to many generated requests against its OpenAPI document."""
    return _in_parallel("contract", _CONTRACT, f"--examples={_EXAMPLES}", f"--hypothesis-seed={seed}")


def _in_parallel(stage: str, *arguments: str) -> StageResult:
    # A worker without tests takes over half of another's. Otherwise the one that has the long tests, which are
    # neighbours, would run alone at the end.
    slow = (f"--durations={_SLOWEST}", "--durations-min=1")
    return run_pytest(stage, *arguments, "-p", "tests.workers", f"-n{_WORKERS}", "--dist=worksteal", *slow)


def run_pytest(stage: str, *arguments: str) -> StageResult:
    """Runs pytest, prints its output, and reads the result from its summary."""
    start = time.monotonic()
    last = left = ""
    skipped: Counter[str] = Counter()
    options = ["-ra", "--color=no", "--no-header", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *arguments, *options]
    with subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line if re.search(r"\d+ (passed|failed|error|skipped)", line) else last
            left = line.removeprefix(_LEFT).rstrip() if line.startswith(_LEFT) else left
            if found := _SKIPPED.match(line):
                skipped[found["reason"]] += int(found["count"])
    ended = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", last)}
    failed = ended.get("failed", 0) + ended.get("error", 0)
    if process.returncode != 0 and failed == 0:
        failed = 1
    return StageResult(stage, ended.get("passed", 0), failed, time.monotonic() - start, skipped, left)


def _commands(stage: str, commands: list[list[str]]) -> StageResult:
    start = time.monotonic()
    CACHE.mkdir(parents=True, exist_ok=True)
    codes = [
        subprocess.run(command, cwd=ROOT, env=_environment(), check=False, timeout=_DEADLINE).returncode
        for command in commands
    ]
    failed = sum(code != 0 for code in codes)
    return StageResult(stage, len(codes) - failed, failed, time.monotonic() - start)


def _environment() -> dict[str, str]:
    return variables.of_tests("MESHWG_UNLOCK")


CHECKS = {"lint": lint, "imports": imports}
"""Stages that are the same in each profile and take a second."""
