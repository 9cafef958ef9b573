"""A process that is started while the one before it still works: it loads its code, and then waits for its turn.

Supervisor and successor have one end each of a socket pair: the successor says that it has loaded, and the supervisor
that its turn has come, which is when the one before it has ended.
"""

from __future__ import annotations

import os
import select
import socket
import sys

_VARIABLE = "MESHWG_TURN_FD"
_LOADED, _NOW = b"l", b"n"


class Turn:
    """The supervisor's end."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()

    @property
    def descriptor(self) -> int:
        """What the successor inherits."""
        return self._there.fileno()

    def environment(self) -> dict[str, str]:
        """What tells it so."""
        return {_VARIABLE: str(self.descriptor)}

    def handed(self) -> None:
        """The successor has the other end: from now on it is gone when the successor is."""
        self._there.close()

    def is_awaited(self, seconds: float) -> bool:
        """Waits so long for the successor to have loaded; at once false where it ended."""
        ready, _, _ = select.select([self._here], [], [], seconds)
        return bool(ready) and self._here.recv(1) == _LOADED

    def give(self) -> None:
        """Its turn has come. Raises OSError where it has ended meanwhile."""
        self._here.send(_NOW)

    def close(self) -> None:
        """Without a turn, the successor ends."""
        self._here.close()


def wait_for_turn() -> None:
    """For a process that has loaded: returns when its turn has come, at once where nobody said that it has to wait."""
    descriptor = os.environ.pop(_VARIABLE, None)
    if descriptor is None:
        return
    with socket.socket(fileno=int(descriptor)) as line:
        line.send(_LOADED)
        if line.recv(1) != _NOW:
            sys.exit(0)
