"""Programs in a host: what became of one that ended, and one that runs."""

from __future__ import annotations

import abc
import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from netlab.errors import NothingArrived

#: Seconds for a killed program to be gone.
_DEATH_S = 10.0
_LOOK_S = 0.002


@dataclass(frozen=True)
class Completed:
    """A program that ended.

    Attributes:
        argv: what was run.
        returncode: exit status; negative for a signal.
        stdout: its output, decoded as UTF-8 with replacements.
        stderr: likewise.
        seconds: how long it took.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Process(abc.ABC):
    """A program that runs in a host, in a session of its own. Made by `Host.start`; the host's end is its own.

    Attributes:
        argv: what was started.
        pid: process id, where the host's processes are numbered; also the id of its process group.
    """

    argv: tuple[str, ...]
    pid: int

    @abc.abstractmethod
    def poll(self) -> int | None:
        """Exit status (negative for a signal), or None while it runs."""

    @abc.abstractmethod
    def wait(self, timeout_s: float) -> int:
        """Waits for its end and returns its exit status (raises NothingArrived)."""

    @abc.abstractmethod
    def signal(self, number: int) -> None:
        """Sends a signal to its process group; nothing happens if it has ended."""

    @abc.abstractmethod
    def log_text(self) -> str:
        """What it has written so far, standard output and error together."""

    def stop(self, grace_s: float = 2.0) -> int:
        """Asks with SIGTERM, insists with SIGKILL after `grace_s`, and returns the exit status."""
        status = self.poll()
        if status is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(NothingArrived):
                status = self.wait(grace_s)
        # Also when it ended: what it started in its group must not outlive it.
        self.signal(signal.SIGKILL)
        return self.wait(_DEATH_S) if status is None else status

    def wait_for_log(self, text: str, timeout_s: float) -> float:
        """Waits until `text` is in the log; returns the seconds it took.

        Raises:
            NothingArrived: not in time, or it ended without writing it.
        """
        start = time.monotonic()
        while True:
            ended = self.poll() is not None
            waited = time.monotonic() - start
            if text in self.log_text():
                return waited
            if ended or waited > timeout_s:
                raise NothingArrived(f"{text!r} in the log of {self.argv[0]}: {self.log_text()[-2000:]}", waited)
            # Each look reads the log: the longer it takes, the less a moment more matters.
            time.sleep(max(_LOOK_S, waited / 50))


class LocalProcess(Process):
    """One that is a child of the calling process."""

    def __init__(self, argv: tuple[str, ...], popen: subprocess.Popen[bytes], log: Path) -> None:
        self.argv = argv
        self.pid = popen.pid
        self.log = log
        self._popen = popen

    def poll(self) -> int | None:
        """Exit status (negative for a signal), or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float) -> int:
        """Waits for its end and returns its exit status (raises NothingArrived)."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise NothingArrived(f"end of {self.argv[0]} (pid {self.pid})", timeout_s) from None

    def signal(self, number: int) -> None:
        """Sends a signal to its process group; nothing happens if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def log_text(self) -> str:
        """What it has written so far, standard output and error together."""
        return self.log.read_text(errors="replace")
