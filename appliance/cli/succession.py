"""Succession of processes: a successor loads its code while its predecessor works, and then waits for its turn.

Supervisor and successor share a socket pair: the successor reports that it has loaded, and the supervisor gives it the
turn when the predecessor has ended.
"""

from __future__ import annotations

import os
import select
import socket
import sys

_VARIABLE = "MESHWG_TURN_FD"
_LOADED, _NOW = b"l", b"n"


class Turn:
    """Supervisor's end of the socket pair."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()

    @property
    def descriptor(self) -> int:
        """Descriptor for the successor to inherit."""
        return self._there.fileno()

    def environment(self) -> dict[str, str]:
        """Make the variable that tells the successor its descriptor."""
        return {_VARIABLE: str(self.descriptor)}

    def handed(self) -> None:
        """Close this process's copy of the successor's end, so that the end of the successor is noticed."""
        self._there.close()

    def is_awaited(self, seconds: float) -> bool:
        """Wait at most so long until the successor has loaded; False at once if it ends."""
        ready, _, _ = select.select([self._here], [], [], seconds)
        return bool(ready) and self._here.recv(1) == _LOADED

    def give(self) -> None:
        """Give the turn to the successor; raises OSError if it has ended."""
        self._here.send(_NOW)

    def close(self) -> None:
        """Close the pair; a successor that has not got its turn ends."""
        self._here.close()


def wait_for_turn() -> None:
    """Report that this process has loaded, and wait for its turn; returns at once if it is no successor."""
    descriptor = os.environ.pop(_VARIABLE, None)
    if descriptor is None:
        return
    with socket.socket(fileno=int(descriptor)) as line:
        line.send(_LOADED)
        if line.recv(1) != _NOW:
            sys.exit(0)
