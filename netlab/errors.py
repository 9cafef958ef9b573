"""Errors of this package. Each carries its facts as attributes, so that a caller can word its own message."""

from __future__ import annotations

from collections.abc import Sequence


class NetlabError(Exception):
    """Base class of every error that this package raises by itself."""


class SandboxError(NetlabError):
    """No sandbox can be made by this user on this machine. The message is one sentence with the reason."""


class Unsupported(NetlabError):
    """The running kernel, or an installed tool, lacks a feature that was asked for."""


class OutOfReach(Unsupported):
    """A feature needs a host on the caller's own kernel, and this host is on another machine.

    Attributes:
        host: name of the host.
        what: the feature, such as "its network".
    """

    def __init__(self, host: str, what: str) -> None:
        """Makes the message from the facts; see the attributes."""
        super().__init__(f"{host} is on another machine: {what} is out of this program's reach")
        self.host = host
        self.what = what


class HostUnavailable(NetlabError):
    """A host that netlab did not make can't be used: it can't be reached, or differs from its description.

    Attributes:
        host: name of the host.
        reason: cause, in a few words.
    """

    def __init__(self, host: str, reason: str) -> None:
        """Makes the message from the facts; see the attributes."""
        super().__init__(f"{host}: {reason}")
        self.host = host
        self.reason = reason


class InvalidPlan(NetlabError, ValueError):
    """A plan of a lab contradicts itself."""


class InvalidName(NetlabError, ValueError):
    """The kernel or a tool would refuse or misread a name."""


class NothingArrived(NetlabError):
    """A deadline passed without the awaited packet, line or handshake.

    Attributes:
        waited_s: seconds waited.
    """

    def __init__(self, what: str, waited_s: float) -> None:
        """Makes the message.

        Args:
            what: what was awaited, as the message names it.
            waited_s: seconds waited.
        """
        super().__init__(f"{what}: nothing within {waited_s:.3f} s")
        self.waited_s = waited_s


class CommandFailed(NetlabError):
    """A program in a host ended with an exit status other than 0, or could not be started.

    Attributes:
        host: name of the host.
        argv: the program and its arguments.
        returncode: exit status; -n after signal n; None if it never started or was killed at its deadline.
        stdout: standard output, as far as it came.
        stderr: standard error, as far as it came.
    """

    def __init__(self, host: str, argv: Sequence[str], returncode: int | None, stdout: str, stderr: str) -> None:
        """Makes the message from the facts; see the attributes."""
        self.host = host
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        super().__init__(f"{host}: {' '.join(argv)}: {self.outcome()}: {stderr.strip() or stdout.strip()}")

    def outcome(self) -> str:
        """Returns the way it ended in a few words, such as "exit status 1"."""
        return "not started" if self.returncode is None else f"exit status {self.returncode}"


class CommandTimedOut(CommandFailed):
    """A program in a host was killed at its deadline."""

    def outcome(self) -> str:
        """Returns the way it ended in a few words."""
        return "killed at its deadline"
