"""Way into a sandbox's network: a listening socket outside, for a relay that runs inside.

A socket stays in the network namespace that it was made in. The listener is made before the sandbox is entered, and the
relay inside accepts the connections of the outside.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from reports.addresses import listen

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
    return Inward(listen(host, port), os.getpid())


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
