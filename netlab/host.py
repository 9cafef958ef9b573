"""A host: what can be done with one, wherever it is.

`NamespaceHost` is made of namespaces, `container.Container` by Docker, `ssh.SshHost` is reached over the network. What
is written against `Host` runs on each; what one of them can't do, it refuses with `OutOfReach`.
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
from netlab.process import Completed, Process

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_name(name: str) -> str:
    """Returns what is a host's name; raises InvalidName otherwise."""
    if not _NAME.fullmatch(name):
        raise InvalidName(f"{name!r} is no host name: 1 to 63 of a-z, 0-9 and -, no - at either end")
    return name


class Host(abc.ABC):
    """A machine in which programs run.

    Attributes:
        name: what the caller calls it.
        folder: a writable folder of its own, which is gone when the host is closed.
    """

    folder: PurePath

    def __init__(self, name: str, folder: PurePath) -> None:
        self.name = name
        self.folder = folder
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def number(self) -> int:
        """A number that this host has not given before, for names of files in its folder."""
        return next(self._numbers)

    @abc.abstractmethod
    def run(
        self,
        *argv: str | PurePath,
        input: str | None = None,
        timeout: float = 10.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Runs a program in this host and waits for its end.

        Args:
            argv: the program and its arguments.
            input: its standard input; empty if None.
            timeout: seconds until it is killed, with its process group.
            check: raise if its exit status is not 0.
            env: variables on top of those that programs have there: the caller's, where it shares its files.
            cwd: its working directory; the caller's if None, or `folder` where it does not share its files.

        Raises:
            CommandFailed: it could not be started, or ended with another status than 0.
            CommandTimedOut: its time was up.
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
            argv: the program and its arguments.
            env: as for `run`.
            log: name of the log; the program's name and a number if None. An existing one is continued.
            cwd: as for `run`.

        Raises:
            CommandFailed: it could not be started.
        """

    @abc.abstractmethod
    def start_tool(self, source: Path, *arguments: str | PurePath, log: str) -> Process:
        """Starts one of netlab's own programs in this host's network, as `start` does.

        Args:
            source: a Python file that needs the standard library only.
            arguments: its arguments.
            log: name of the log.
        """

    @abc.abstractmethod
    def read(self, path: PurePath) -> bytes:
        """What a file of this host holds (raises CommandFailed or OSError)."""

    @abc.abstractmethod
    def write(self, path: PurePath, data: bytes, mode: int = 0o644) -> None:
        """Makes a file of this host, or overwrites it; nobody reads it with more rights than `mode` gives."""

    @abc.abstractmethod
    def which(self, program: str) -> str | None:
        """Path of a program in this host, None if it has none of that name."""

    @abc.abstractmethod
    def in_network(self, function: Callable[[], T]) -> T:
        """Runs `function` in a short-lived thread inside this host's network namespace and returns its result.

        Raises:
            OutOfReach: the host is on another machine.
        """

    def socket(self, family: int, kind: int, proto: int = 0) -> socket.socket:
        """A socket that lives in this host's network; any thread may use it, and must close it.

        Raises:
            OutOfReach: the host is on another machine.
        """
        return self.in_network(lambda: socket.socket(family, kind, proto))

    @abc.abstractmethod
    def route(self, destination: str, *, via: str | None = None, interface: str | None = None) -> None:
        """Adds a route; `destination` is a network or `default` (IPv4)."""

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
        """Sends ICMP echo requests from this host; see `netlab.ping.ping`."""

    @abc.abstractmethod
    def shell_command(self) -> list[str]:
        """What to run, where the caller runs and with its rights, for a shell in this host."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends all that was started in it, and removes what was written into `folder`. May be called twice."""

    def shell(self) -> int:
        """Opens a shell in this host on the caller's terminal; returns its exit status when it is left."""
        return subprocess.run(self.shell_command(), check=False).returncode

    def addresses(self, interface: str | None = None) -> list[str]:
        """Its addresses with prefix length, of one interface or of all but `lo`; no link-local ones."""
        words = ["ip", "-json", "address", "show", *(["dev", interface] if interface else [])]
        return [
            f"{address['local']}/{address['prefixlen']}"
            for link in json.loads(self.run(*words).stdout)
            for address in link.get("addr_info", ())
            if address["scope"] == "global"
        ]
