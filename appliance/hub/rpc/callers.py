"""Callers of the hub, which wait for an answer until their time runs out or their connection ends."""

from __future__ import annotations

import math
import select
import socket
import time
from dataclasses import dataclass

from appliance.hub.errors import GivenUp


@dataclass(frozen=True)
class WaitingCaller:
    """A connection that waits for an answer.

    Attributes:
        connection: socket for the answer; None: a caller in this process.
        until: end of the caller's time; monotonic seconds.
    """

    connection: socket.socket | None = None
    until: float = math.inf

    def is_gone(self) -> bool:
        """Tell whether the connection has ended, also where its process was killed a moment ago."""
        if self.connection is None:
            return False
        # Not by a read, which would wait for as long as another thread lets its own reads and writes wait.
        ended = select.poll()
        try:
            ended.register(self.connection, select.POLLRDHUP)
        except ValueError:
            # It was closed here.
            return True
        return bool(ended.poll(0))

    def check_waiting(self) -> None:
        """Raise `GivenUp` if the caller has disconnected or its deadline has passed."""
        if self.is_gone():
            raise GivenUp("the caller is gone")
        if time.monotonic() > self.until:
            raise GivenUp("the caller's time is over")


LOCAL = WaitingCaller()
"""This process itself."""
