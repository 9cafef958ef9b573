"""A way into a sandbox's network for the outside: a socket that listens there, for a relay that runs in here.

A socket stays in the network namespace that it was made in. So one that listens on the loopback of the machine is made
before the sandbox is entered, and handed through: whoever connects to it meets the relay.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

_VARIABLE = "MESHWG_INWARD"


@dataclass(frozen=True)
class Inward:
    """The two things of the outside that a lab knows.

    Attributes:
        listener: listens outside.
        starter: process id, outside, of a process that is in the sandbox's mount namespace.
    """

    listener: socket.socket
    starter: int

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, outside."""
        host, port = self.listener.getsockname()[:2]
        return str(host), int(port)

    def export(self) -> None:
        """Lets the program that this process becomes find it again."""
        self.listener.set_inheritable(True)
        os.environ[_VARIABLE] = f"{self.listener.fileno()}:{self.starter}"


def make(host: str, port: int) -> Inward:
    """Listen in the caller's network; port 0 takes any free one. Raises OSError where it can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return Inward(listener, os.getpid())


def find() -> Inward | None:
    """The way in that was exported, if one was."""
    handed = os.environ.pop(_VARIABLE, None)
    if handed is None:
        return None
    descriptor, starter = map(int, handed.split(":"))
    listener = socket.socket(fileno=descriptor)
    # What the lab starts has no business with it.
    listener.set_inheritable(False)
    return Inward(listener, starter)
