"""Programs in a host: those that run, and the results of those that ended."""

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
from netlab.waiting import wait_until

HANGS_S = 60.0
"""Seconds after which a program is taken for one that hangs.

On an emulated or busy machine, one wg-quick takes many.
"""

_DEATH_S = 10.0
"""Seconds for a killed program to be gone."""

_PAUSE_S = 0.002


@dataclass(frozen=True)
class Completed:
    """Result of a program that ended.

    Attributes:
        argv: the program and its arguments.
        returncode: exit status; -n after signal n.
        stdout: standard output, decoded as UTF-8 with replacements.
        stderr: standard error, decoded as UTF-8 with replacements.
        seconds: seconds it ran.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class Process(abc.ABC):
    """A program that runs in a host, in a session of its own. Made by `Host.start`; ends with its host at the latest.

    Attributes:
        argv: the program and its arguments.
        pid: process id in the host's numbering, and id of the process group.
    """

    argv: tuple[str, ...]
    pid: int

    @abc.abstractmethod
    def poll(self) -> int | None:
        """Returns the exit status (-n after signal n), or None while it runs."""

    @abc.abstractmethod
    def wait(self, timeout_s: float) -> int:
        """Waits for its end.

        Args:
            timeout_s: seconds to wait.

        Returns:
            Exit status; -n after signal n.

        Raises:
            NothingArrived: it did not end in time.
        """

    @abc.abstractmethod
    def signal(self, number: int) -> None:
        """Sends a signal to its process group; does nothing if it has ended.

        Args:
            number: number of the signal.
        """

    @abc.abstractmethod
    def log_text(self) -> str:
        """Returns its output so far, standard output and error together."""

    def stop(self, grace_s: float = 2.0) -> int:
        """Ends it with SIGTERM, or with SIGKILL if that does not do, and kills the rest of its process group.

        Args:
            grace_s: seconds between the two.

        Returns:
            Exit status; -n after signal n.

        Raises:
            NothingArrived: it does not even die by SIGKILL.
        """
        status = self.poll()
        if status is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(NothingArrived):
                status = self.wait(grace_s)
        # Also when it has ended: children in its group must not outlive it.
        self.signal(signal.SIGKILL)
        return self.wait(_DEATH_S) if status is None else status

    def wait_for_log(self, text: str, timeout_s: float) -> float:
        """Waits until a text is in its log.

        Args:
            text: the text.
            timeout_s: seconds to wait.

        Returns:
            Seconds waited.

        Raises:
            NothingArrived: the text did not come in time, or it ended without writing it.
        """
        start = time.monotonic()
        wait_until(lambda: self.poll() is not None or text in self.log_text(), timeout_s, _PAUSE_S)
        waited, log = time.monotonic() - start, self.log_text()
        if text not in log:
            raise NothingArrived(f"{text!r} in the log of {self.argv[0]}: {log[-2000:]}", waited)
        return waited


class LocalProcess(Process):
    """A program that is a child of the calling process.

    Attributes:
        log: file of its output.
    """

    def __init__(self, argv: tuple[str, ...], popen: subprocess.Popen[bytes], log: Path) -> None:
        """Wraps a child that has started.

        Args:
            argv: the program and its arguments.
            popen: the child.
            log: file of its output.
        """
        self.argv = argv
        self.pid = popen.pid
        self.log = log
        self._popen = popen

    def poll(self) -> int | None:
        """Returns the exit status (-n after signal n), or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float) -> int:
        """Waits for its end; see `Process.wait`."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise NothingArrived(f"end of {self.argv[0]} (pid {self.pid})", timeout_s) from None

    def signal(self, number: int) -> None:
        """Sends a signal to its process group; does nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def log_text(self) -> str:
        """Returns its output so far, standard output and error together."""
        return self.log.read_text(errors="replace")
