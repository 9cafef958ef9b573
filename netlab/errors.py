"""What can go wrong in a lab. Every error carries its facts; the edge of the program turns them into words."""

from __future__ import annotations

from collections.abc import Sequence


class NetlabError(Exception):
    """Base of every error that this package raises on its own account."""


class SandboxError(NetlabError):
    """This machine, or this user on it, can't have a sandbox. The message is one sentence with the reason."""


class Unsupported(NetlabError):
    """The running kernel, or an installed tool, lacks what was asked for."""


class OutOfReach(Unsupported):
    """What was asked for takes a host whose kernel the caller runs on, and this host is on another machine.

    Attributes:
        host: name of the host.
        what: what can't be had of it, such as a socket.
    """

    def __init__(self, host: str, what: str) -> None:
        super().__init__(f"{host} is on another machine: {what} is out of this program's reach")
        self.host = host
        self.what = what


class HostUnavailable(NetlabError):
    """A host that is not of this program's making can't be used: no way to it, or it isn't what was said of it.

    Attributes:
        host: name of the host.
        reason: in a few words.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host = host
        self.reason = reason


class InvalidPlan(NetlabError, ValueError):
    """A plan of a lab that contradicts itself."""


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
