"""Time of a whole run of the gate."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from harness.bench.goals import Measured
from harness.judging.verdicts import Inconclusive
from harness.paths import ROOT
from netlab import sandbox

_DEADLINE = 3600.0
_NOTICED = re.compile(r"sabotages noticed: (\d+) of \d+")
_PROVEN = re.compile(r"^  proven +test_", re.MULTILINE)


def measure(profile: str, wireguard: str, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Runs the gate once, in a sandbox of its own.

    Raises:
        Inconclusive: the gate did not pass, so its time has no meaning.
    """
    tell(f"the gate, {profile} profile")
    options = [f"--profile={profile}", f"--wireguard={wireguard}", "--throwaway-key"]
    command = [sys.executable, "-m", "appliance", "gate", *options]
    start = time.monotonic()
    process = subprocess.Popen(
        sandbox.command(command, die_with_parent=True),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    timer = threading.Timer(_DEADLINE, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        output = process.stdout.read()
        status = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    seconds = time.monotonic() - start
    noticed = _NOTICED.search(output)
    if status != 0 or noticed is None:
        raise Inconclusive(f"the gate did not pass (exit code {status}): {output[-1500:]}")
    text = f"{len(_PROVEN.findall(output))} scenarios and {noticed[1]} sabotages, side by side"
    return {f"gate-{profile}": Measured(seconds, text)}
