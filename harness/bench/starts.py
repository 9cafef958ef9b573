"""Starts of commands and of the service, beside a bare Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.bench.beside import Measured, measured
from harness.bench.timed import Cost
from harness.judging.verdicts import Inconclusive
from harness.paths import ROOT
from harness.subject.service import PORT
from harness.world.world import World
from netlab import LabHost

_LAUNCHER = ROOT / "meshwg"
_BARE = (sys.executable, "-c", "pass")
_NAME = "python -c pass"


def bare(host: LabHost) -> Cost:
    """Returns the cost of a Python that does nothing."""
    return cost(host, *_BARE)


def cost(host: LabHost, *command: str) -> Cost:
    """Returns the cost of a command on a host of the lab.

    Raises:
        Inconclusive: the command failed.
    """
    done = host.run(sys.executable, "-m", "harness.bench.timed", *command)
    found = msgspec.json.decode(done.stdout, type=Cost)
    if found.status != 0:
        raise Inconclusive(f"{' '.join(command)} ended with code {found.status}")
    return found


def measure(world: World, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures commands by processor time, and starts of the service by the clock, each in turns with a bare Python.

    Args:
        rounds: number of starts of each.
        tell: takes messages about progress.

    Raises:
        Inconclusive: a command fails, or the service does not come up.
    """
    host, service = world.subject.lab_host, world.subject.service
    meshwg = (str(_LAUNCHER),) if _LAUNCHER.is_file() else (sys.executable, "-m", "appliance")
    store = f"--data={service.data}"
    listen = f"--listen={service.options.address}:{PORT}"
    commands = {
        "start-help": (*meshwg, "--help"),
        "start-status": (*meshwg, "status", store, listen),
        "start-census": (*meshwg, "census", store),
    }
    found = {}
    for row, command in commands.items():
        tell(f"{rounds} times {' '.join(command)}")
        turns = [(cost(host, *command), bare(host)) for _ in range(rounds)]
        mine, beside = [each.cpu_s * 1e3 for each, _ in turns], [each.cpu_s * 1e3 for _, each in turns]
        found[row] = measured(mine, beside, "ms of a processor", _NAME)
    tell(f"{rounds} starts of the service")
    ready, beside, processors = [], [], []
    for _ in range(rounds):
        service.stop()
        beside.append(bare(host).wall_s * 1e3)
        ready.append(service.start() * 1e3)
        processors.append(_processor_time(host))
    more = f"{min(processors):.2f} to {max(processors):.2f} s of a processor"
    found["start-up"] = measured(ready, beside, "ms", _NAME, more)
    return found


def _processor_time(host: LabHost) -> float:
    """Returns the seconds of a processor that the processes of a host have taken, with ended children of theirs."""
    ticks = 0
    for pid in host.processes():
        # After the name, which may contain anything: user, system, and both of children.
        ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
