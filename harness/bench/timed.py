"""Program that runs a command and writes its `Cost` (JSON) to standard output."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import msgspec


class Cost(msgspec.Struct, frozen=True):
    """Cost of a command.

    Attributes:
        wall_s: seconds from its start to its end.
        cpu_s: processor time of the command and its children, in seconds.
        status: exit code.
    """

    wall_s: float
    cpu_s: float
    status: int


def run(command: list[str]) -> Cost:
    """Runs a command without input, its output thrown away."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    return Cost(time.monotonic() - began, used.ru_utime + used.ru_stime, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(run(sys.argv[1:])))
