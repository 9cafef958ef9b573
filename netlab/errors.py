"""What can go wrong in a lab. Every error carries its facts; the edge of the program turns them into words."""

from __future__ import annotations

from collections.abc import Sequence


class NetlabError(Exception):
    """Base of every error that this package raises on its own account."""


class SandboxError(NetlabError):
    """This machine, or this user on it, can't have a sandbox. The message is one sentence with the reason."""


class Unsupported(NetlabError):
    """The running kernel, or an installed tool, lacks what was asked for."""


class InvalidName(NetlabError, ValueError):
    """A name that the kernel or a tool would refuse or misread."""


class NothingArrived(NetlabError):
    """A deadline passed without the awaited packet, line or handshake.

    Attributes:
        waited_s: how long was waited, in seconds.
    """

    def __init__(self, what: str, waited_s: float) -> None:
        super().__init__(f"{what}: nothing within {waited_s:.3f} s")
        self.waited_s = waited_s


class CommandFailed(NetlabError):
    """A program in a host ended with a status other than 0, or could not be started.

    Attributes:
        host: name of the host.
        argv: what was run.
        returncode: exit status; negative for a signal; None if it was stopped at its deadline or never started.
        stdout: what it wrote, as far as it came.
        stderr: likewise.
    """

    def __init__(self, host: str, argv: Sequence[str], returncode: int | None, stdout: str, stderr: str) -> None:
        self.host = host
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        super().__init__(f"{host}: {' '.join(argv)}: {self.outcome()}: {stderr.strip() or stdout.strip()}")

    def outcome(self) -> str:
        """How it ended, in a few words."""
        return "not started" if self.returncode is None else f"exit status {self.returncode}"


class CommandTimedOut(CommandFailed):
    """A program in a host was killed because its time was up."""

    def outcome(self) -> str:
        """How it ended, in a few words."""
        return "killed at its deadline"
