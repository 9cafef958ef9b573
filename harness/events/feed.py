"""Collection of a run's events: from the pipe of its scenarios, and from the gate itself."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import msgspec

from harness.events.secrets import without_secrets_in
from reports.events.format import AnyEvent, decode, encode

_CHUNK = 1 << 16
_ROOM = 1 << 20
"""Size of the pipe, some thousand events; an ordinary user may have that much."""

_F_SETPIPE_SZ = 1031
_STOP = b"\n"

Listener = Callable[[AnyEvent, bytes], object]
"""Takes an event and its line."""


class Feed:
    """Gives each event, with its time, to all listeners, one at a time and in one order.

    Args:
        listeners: take the events; a slow one delays others and loses events, but delays no scenario.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)
        self._reading = self.descriptor = -1

    def __enter__(self) -> Feed:
        self._reading, self.descriptor = os.pipe()
        with suppress(OSError):
            fcntl.fcntl(self.descriptor, _F_SETPIPE_SZ, _ROOM)
        # For all processes that have this end.
        os.set_blocking(self.descriptor, False)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An empty line ends the reading. It comes after all others, and does not depend on who still has the pipe.
        os.set_blocking(self.descriptor, True)
        with suppress(BrokenPipeError):
            os.write(self.descriptor, _STOP)
        self._thread.join()
        os.close(self.descriptor)

    def tell(self, event: AnyEvent) -> None:
        """Gives an event of the gate itself to all listeners."""
        with self._lock:
            timed = msgspec.structs.replace(event, at=round(time.monotonic() - self._began, 3))
            line = without_secrets_in(encode(timed))
            told = decode(line) or timed
            for listener in self._listeners:
                listener(told, line)

    def _read(self) -> None:
        # However this ends, those who write find the pipe closed, and are not kept.
        with os.fdopen(self._reading, "rb", buffering=0):
            rest = b""
            while chunk := os.read(self._reading, _CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if not line:
                        return
                    event = decode(line)
                    if event is not None:
                        self.tell(event)
