"""Succession of processes: a process loads its code while its predecessor works, and then waits for its turn.

Supervisor and successor share a socket pair: the successor reports that it has loaded, and the supervisor gives it the
turn when the predecessor has ended, with open files that it needs for its work.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress

_VARIABLE = "MESHWG_TURN_FD"
_LOADED = b"l"
# Of a turn: its text, and its open files.
_LONGEST, _MOST = 4096, 16


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
        waiting = select.poll()
        waiting.register(self._here, select.POLLIN)
        return bool(waiting.poll(seconds * 1000)) and self._here.recv(1) == _LOADED

    def give(self, handed: Mapping[str, tuple[int, ...]]) -> None:
        """Give the turn to the successor, which may still be loading; raises OSError if it has ended.

        Args:
            handed: open files to hand over, by the variable that tells the successor their descriptors.
        """
        counts = {variable: len(descriptors) for variable, descriptors in handed.items()}
        every = [each for descriptors in handed.values() for each in descriptors]
        socket.send_fds(self._here, [json.dumps(counts).encode()], every)

    def close(self) -> None:
        """Close the pair; a successor that has not got its turn ends."""
        self._here.close()


def wait_for_turn() -> None:
    """Report that this process has loaded, and wait for its turn; returns at once if it is no successor.

    Afterwards, variables of the environment have the descriptors of open files that came with the turn.
    """
    descriptor = os.environ.pop(_VARIABLE, None)
    if descriptor is None:
        return
    text, descriptors = b"", list[int]()
    with socket.socket(fileno=int(descriptor)) as line:
        # The turn may be here already, and the other end closed.
        with suppress(ConnectionError):
            line.send(_LOADED)
        with suppress(ConnectionError):
            text, descriptors, _, _ = socket.recv_fds(line, _LONGEST, _MOST)
    if not text:
        sys.exit(0)
    for each in descriptors:
        # Not for processes that this one starts.
        os.set_inheritable(each, False)
    for variable, count in json.loads(text).items():
        os.environ[variable] = ",".join(map(str, descriptors[:count]))
        descriptors = descriptors[count:]
