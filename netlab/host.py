"""Hosts: the interface that all kinds of them share.

`NamespaceHost` is made of namespaces, `container.Container` by Docker, `ssh.SshHost` is reached over the network. Code
that uses `Host` runs on each of them; `OutOfReach` says what one can't do.
"""

from __future__ import annotations

import abc
import itertools
import json
import re
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import TypeVar

from netlab.errors import InvalidName
from netlab.ping import PingResult
from netlab.process import HANGS_S, Completed, Process

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_name(name: str) -> str:
    """Returns a host name unchanged.

    Raises:
        InvalidName: it is not 1 to 63 of a-z, 0-9 and -, with no - at either end (RFC 1123, in lower case).
    """
    if not _NAME.fullmatch(name):
        raise InvalidName(f"{name!r} is no host name: 1 to 63 of a-z, 0-9 and -, no - at either end")
    return name


class Host(abc.ABC):
    """A machine in which programs run.

    Attributes:
        name: name that the caller gave it.
        folder: a writable folder for this host's files, removed when the host is closed.
    """

    folder: PurePath

    def __init__(self, name: str, folder: PurePath) -> None:
        """Keeps name and folder.

        Args:
            name: name of the host.
            folder: its folder; see the attributes.
        """
        self.name = name
        self.folder = folder
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def number(self) -> int:
        """Returns a number that this host has not returned before, for names of files in its folder."""
        return next(self._numbers)

    @abc.abstractmethod
    def run(
        self,
        *argv: str | PurePath,
        input: str | None = None,
        timeout: float = HANGS_S,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Runs a program in this host and waits for its end.

        Args:
            *argv: the program and its arguments.
            input: text for its standard input; None is an empty one.
            timeout: seconds until it is killed with its process group.
            check: raise CommandFailed if its exit status is not 0.
            env: variables to add to those that programs have there. On a host that shares the caller's files, those are
                the caller's.
            cwd: its working directory. None is the caller's, or `folder` on a host that does not share the caller's
                files.

        Returns:
            Exit status and output.

        Raises:
            CommandFailed: it could not be started, or ended with an exit status other than 0.
            CommandTimedOut: it was killed at its deadline.
        """

    @abc.abstractmethod
    def start(
        self,
        *argv: str | PurePath,
        env: Mapping[str, str] | None = None,
        log: str | None = None,
        cwd: Path | None = None,
    ) -> Process:
        """Starts a program in this host and leaves it running; its output goes to `folder/LOG.log`.

        Args:
            *argv: the program and its arguments.
            env: variables to add to those that programs have there.
            log: name of the log, which is continued if it exists; None makes one of the program's name and a number.
            cwd: its working directory. None is the caller's, or `folder` on a host that does not share the caller's
                files.

        Returns:
            The running program.

        Raises:
            CommandFailed: it could not be started.
        """

    @abc.abstractmethod
    def start_tool(self, source: Path, *arguments: str | PurePath, log: str) -> Process:
        """Starts one of netlab's own programs in this host's network, and leaves it running.

        Args:
            source: a Python file that needs the standard library only.
            *arguments: its arguments.
            log: name of the log, which is continued if it exists.

        Returns:
            The running program.
        """

    @abc.abstractmethod
    def read(self, path: PurePath) -> bytes:
        """Returns the content of a file of this host.

        Raises:
            CommandFailed: the file can't be read on a host that does not share the caller's files.
            OSError: the file can't be read on a host that does.
        """

    @abc.abstractmethod
    def write(self, path: PurePath, data: bytes, mode: int = 0o644) -> None:
        """Makes a file of this host, or overwrites it.

        Args:
            path: the file.
            data: its content.
            mode: permission bits; at no moment can the file be read with more than these.
        """

    @abc.abstractmethod
    def which(self, program: str) -> str | None:
        """Returns the path of a program in this host, or None if it has no program of that name."""

    @abc.abstractmethod
    def in_network(self, function: Callable[[], T]) -> T:
        """Runs a function in a short-lived thread inside this host's network namespace.

        Args:
            function: a function of the calling program. A socket that it makes stays in the host's network.

        Returns:
            The function's result.

        Raises:
            OutOfReach: the host is on another machine.
        """

    def socket(self, family: int, kind: int, proto: int = 0) -> socket.socket:
        """Makes a socket in this host's network. Any thread may use it; the caller closes it.

        Args:
            family: address family, as for `socket.socket`.
            kind: type of socket.
            proto: protocol number.

        Returns:
            The open socket.

        Raises:
            OutOfReach: the host is on another machine.
        """
        return self.in_network(lambda: socket.socket(family, kind, proto))

    @abc.abstractmethod
    def route(self, destination: str, *, via: str | None = None, interface: str | None = None) -> None:
        """Adds a route.

        Args:
            destination: a network such as `198.51.100.0/24`, or `default` (IPv4) or `::/0`.
            via: address of the next hop.
            interface: name of the link to use; needed if there is no `via`.
        """

    @abc.abstractmethod
    def ping(
        self,
        address: str,
        count: int = 1,
        timeout: float = 1.0,
        interval: float = 0.2,
        source: str | None = None,
        size: int = 56,
    ) -> PingResult:
        """Sends ICMP echo requests from this host; arguments and result are those of `netlab.ping.ping`."""

    @abc.abstractmethod
    def shell_command(self) -> list[str]:
        """Returns the command line of a shell in this host, to run where the caller runs and with its rights."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends every program that was started in this host, and removes `folder`. May be called twice."""

    def shell(self) -> int:
        """Opens a shell in this host on the caller's terminal.

        Returns:
            The shell's exit status.
        """
        return subprocess.run(self.shell_command(), check=False).returncode

    def addresses(self, interface: str | None = None) -> list[str]:
        """Returns this host's addresses with prefix length, without link-local ones.

        Args:
            interface: name of an interface; None is all but `lo`.
        """
        words = ["ip", "-json", "address", "show", *(["dev", interface] if interface else [])]
        return [
            f"{address['local']}/{address['prefixlen']}"
            for link in json.loads(self.run(*words).stdout)
            for address in link.get("addr_info", ())
            if address["scope"] == "global"
        ]
