"""Commands of the appliance as forks of a program that has loaded it (`tests.appliance.loaded`)."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, TextIO

from harness.paths import ROOT
from tests.waiting import DEADLINE


class Forked:
    """A command that runs, with the methods of `subprocess.Popen` that tests need.

    Attributes:
        pid: its process id.
        stdout: its output, with what it writes to standard error, unless both go elsewhere.
        returncode: its exit code, or minus the number of the signal that ended it; None until its end was waited for.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        streams: tuple[IO[str], IO[str]] | None = None,
        stdin: int | None = None,
    ) -> None:
        self.returncode: int | None = None
        output, written = os.pipe() if streams is None else (None, None)
        outputs = (written, written) if streams is None else tuple(each.fileno() for each in streams)
        told, tells = os.pipe()
        request = {"arguments": list(arguments), "environment": dict(environment), "folder": str(Path.cwd())}
        with Path(os.devnull).open() as nothing:
            passed = [nothing.fileno() if stdin is None else stdin, *outputs, tells]
            socket.send_fds(_line(), [json.dumps(request).encode()], passed)
        os.close(tells)
        if written is not None:
            os.close(written)
        self.stdout: TextIO | None = None if output is None else os.fdopen(output)
        self._told = os.fdopen(told)
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """Returns the exit code if the process has ended."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float = DEADLINE) -> int:
        """Waits for the end of the process; returns its exit code.

        Raises:
            subprocess.TimeoutExpired: it goes on after these seconds.
        """
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("meshwg", timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def communicate(self, timeout: float = DEADLINE) -> tuple[str, None]:
        """Reads its output to the end, and waits for its own; returns the output.

        Raises:
            subprocess.TimeoutExpired: it goes on after these seconds.
        """
        assert self.stdout is not None
        said: list[str] = []
        reader = threading.Thread(target=lambda stream: said.append(stream.read()), args=(self.stdout,), daemon=True)
        reader.start()
        reader.join(timeout)
        if reader.is_alive():
            raise subprocess.TimeoutExpired("meshwg", timeout)
        self.stdout.close()
        self.wait(timeout)
        return said[0], None

    def send_signal(self, number: int) -> None:
        """Sends a signal to the process, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills the process."""
        self.send_signal(signal.SIGKILL)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end.

    Args:
        arguments: arguments of the command line.
        environment: all of its variables.
    """
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = Forked(arguments, environment, (stdout, stderr))
        try:
            code = process.wait()
        finally:
            process.kill()
        for each in (stdout, stderr):
            each.seek(0)
        return subprocess.CompletedProcess(["meshwg", *arguments], code, stdout.read(), stderr.read())


@cache
def _line() -> socket.socket:
    """Starts the program that forks, once for all tests of this process."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        command = [sys.executable, "-m", "tests.appliance.loaded", str(there.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[there.fileno()])

    def end() -> None:
        here.close()
        process.wait(DEADLINE)

    atexit.register(end)
    return here
