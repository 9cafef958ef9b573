"""Callers of the hub: each waits for an answer, until its time is over or its connection ends."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.hub.errors import GivenUp

Hook = Callable[[], None]
"""Called at the last moment before a change takes effect; where it raises, the change does not."""


def go_on() -> None:
    """The hook of a change that nobody gives up."""


@dataclass(frozen=True)
class Caller:
    """A connection that waits for an answer.

    Attributes:
        connection: where the answer goes; None: somebody in this process, who stays.
        until: how long they wait, in monotonic seconds.
    """

    connection: socket.socket | None = None
    until: float = math.inf

    def is_gone(self) -> bool:
        """Tell whether the connection has ended, also where its process was killed a moment ago."""
        if self.connection is None:
            return False
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def must_wait(self) -> None:
        """Raises `GivenUp` where nobody waits any more: they were told that nothing was changed."""
        if self.is_gone():
            raise GivenUp("the caller is gone")
        if time.monotonic() > self.until:
            raise GivenUp("the caller's time is over")


HERE = Caller()
"""This process itself."""
