"""A command in a pseudo-terminal, with no variable of the tests' environment but PATH."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import tty
from collections.abc import Mapping, Sequence

_NAMES = ("PATH", "HOME", "VIRTUAL_ENV", "TMPDIR")
_CTRL_C = b"\x03"


class Terminal:
    """A `python -m appliance` in a terminal of so many columns, without an echo of the input.

    Args:
        environment: variables beside PATH, such as a locale.
        errors_to: file for its standard error; None for the terminal.
    """

    def __init__(
        self, arguments: Sequence[str], columns: int, environment: Mapping[str, str], errors_to: str | None = None
    ) -> None:
        self._bytes = b""
        inherited = {name: os.environ[name] for name in _NAMES if name in os.environ}
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            _echo_nothing(0)
            if errors_to is not None:
                os.dup2(os.open(errors_to, os.O_WRONLY | os.O_CREAT, 0o600), 2)
            command = [sys.executable, "-m", "appliance", *arguments]
            os.execve(sys.executable, command, {**inherited, **environment})  # noqa: S606

    @property
    def said(self) -> str:
        """Returns the output so far."""
        return self._bytes.decode().replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        """Waits until it shows a text; fails if it ends without."""
        while text not in self.said:
            assert self._read(), self.said

    def interrupt(self) -> int:
        """Presses Ctrl-C; returns the exit code."""
        os.write(self._terminal, _CTRL_C)
        return self.wait()

    def wait(self) -> int:
        """Waits until it has ended; returns the exit code."""
        while self._read():
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """Kills it, if it still runs."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except OSError:
            # It has ended, and was waited for.
            return

    def _read(self) -> bool:
        """Waits for more output, and collects it; False at the end."""
        try:
            part = os.read(self._terminal, 65536)
        except OSError:
            # What Linux answers when the other end is closed.
            return False
        self._bytes += part
        return bool(part)


def _echo_nothing(terminal: int) -> None:
    """Turns the echo off, so that input such as ``^C`` does not appear in the middle of the output."""
    attributes = termios.tcgetattr(terminal)
    attributes[tty.LFLAG] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
