"""Way into a sandbox's network: a listening socket outside, for a relay that runs inside.

A socket stays in the network namespace that it was made in. The listener is made before the sandbox is entered, and the
relay inside accepts the connections of the outside.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

_VARIABLE = "MESHWG_INWARD"


@dataclass(frozen=True)
class Inward:
    """Listener outside of the sandbox, and a process to enter it by.

    Attributes:
        listener: socket that listens in the network outside.
        starter: id, in the process namespace outside, of a process that is in the sandbox's mount namespace.
    """

    listener: socket.socket
    starter: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the listener."""
        host, port = self.listener.getsockname()[:2]
        return str(host), int(port)

    def export(self) -> None:
        """Keeps the listener open for the program that this process executes, where `find` returns it."""
        self.listener.set_inheritable(True)
        os.environ[_VARIABLE] = f"{self.listener.fileno()}:{self.starter}"


def make(host: str, port: int) -> Inward:
    """Listens in the caller's network.

    Args:
        port: port to listen on; 0 for any free one.

    Raises:
        OSError: the address can't be listened on.
    """
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
    """Returns what `Inward.export` handed over; None if it was not called."""
    exported = os.environ.pop(_VARIABLE, None)
    if exported is None:
        return None
    descriptor, starter = map(int, exported.split(":"))
    listener = socket.socket(fileno=descriptor)
    # Programs of the lab must not inherit it.
    listener.set_inheritable(False)
    return Inward(listener, starter)
