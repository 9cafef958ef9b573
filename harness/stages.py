"""What `test` runs before the gate: lint, types, import rules, unit tests. And the contract, which a full gate adds."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness.paths import CACHE, ROOT
from netlab import sandbox

_CODE = ("appliance", "harness", "netlab", "reports", "scenarios", "tests", "conftest.py")
_DEADLINE = 1200.0
_CONTRACT = "tests/appliance/web/api/test_contract.py"
_EXAMPLES = 50


@dataclass(frozen=True)
class Outcome:
    """What a stage came to, in checks or tests passed and failed."""

    stage: str
    passed: int
    failed: int
    seconds: float


def lint() -> Outcome:
    """Style and format."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    cache = f"--cache-dir={CACHE / 'ruff'}"
    return _commands("lint", [[ruff, "check", cache, *_CODE], [ruff, "format", "--check", cache, *_CODE]])


def types() -> Outcome:
    """Types, strictly."""
    return _commands("types", [[sys.executable, "-m", "mypy", f"--cache-dir={CACHE / 'mypy'}"]])


def imports() -> Outcome:
    """Imports run one way."""
    linter = str(Path(sys.executable).with_name("lint-imports"))
    return _commands("imports", [[linter, "--cache-dir", str(CACHE / "imports")]])


def unit() -> Outcome:
    """Unit tests, on every core, each worker in a sandbox of its own."""
    return _pytest("unit", "tests")


def contract(seed: int) -> Outcome:
    """Many made up requests for each call of the API, held to the document that describes them."""
    return _pytest("contract", _CONTRACT, f"--examples={_EXAMPLES}", f"--hypothesis-seed={seed}")


def _pytest(stage: str, *arguments: str) -> Outcome:
    start = time.monotonic()
    last = ""
    worker = shlex.join(sandbox.command([sys.executable]))
    workers = ["--dist=load", f"--tx={os.cpu_count() or 1}*popen//python={worker}"]
    command = [sys.executable, "-m", "pytest", *arguments, "-p", "no:cacheprovider", "--no-header", *workers]
    with subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            last = line if re.search(r"\d+ (passed|failed|error)", line) else last
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", last)}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    if process.returncode != 0 and failed == 0:
        failed = 1
    return Outcome(stage, counts.get("passed", 0), failed, time.monotonic() - start)


def _commands(stage: str, commands: list[list[str]]) -> Outcome:
    start = time.monotonic()
    CACHE.mkdir(parents=True, exist_ok=True)
    codes = [
        subprocess.run(command, cwd=ROOT, env=_environment(), check=False, timeout=_DEADLINE).returncode
        for command in commands
    ]
    failed = sum(code != 0 for code in codes)
    return Outcome(stage, len(codes) - failed, failed, time.monotonic() - start)


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MESHWG_UNLOCK")}
    return {**kept, "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis")}


STAGES = {"lint": lint, "types": types, "imports": imports, "unit": unit}
