"""Time of a whole run of the gate."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

from harness.bench.beside import Measured, measured
from harness.judging.verdicts import Inconclusive
from harness.paths import ROOT
from harness.subject.kinds import OwnService
from harness.world.world import World
from netlab import sandbox

_DEADLINE = 3600.0
_STARTS = 3
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
    proven = len(_PROVEN.findall(output))
    parts = proven + int(noticed[1])
    starts = [_start(wireguard) for _ in range(_STARTS)]
    text = f"{seconds:.0f} s for {proven} scenarios and {noticed[1]} sabotages, side by side"
    row = measured([seconds / parts], [statistics.median(starts)], "s for each", "a start of the service", text)
    return {f"gate-{profile}": row}


def _start(wireguard: str) -> float:
    with World(partial(OwnService, wireguard=wireguard)) as world:
        world.subject.service.stop()
        return world.subject.service.start()
