"""State of the demonstration's lab, in a file that its process replaces and the web process reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

FRESH_S = 3.0
"""Seconds after which a state is of a lab that has ended or hangs."""
RECENT_S = 2
"""Seconds in which arrivals count as recent."""
_GOING_NS = 1_000_000_000
_LARGEST = 16 * 1024


class StreamReading(msgspec.Struct, frozen=True):
    """Arrivals of one stream's packets at its destination.

    Attributes:
        recent: number in the last `RECENT_S` seconds.
        last_ns: time of the last arrival on the monotonic clock, which all processes of the host share; 0 for none.
    """

    recent: int
    last_ns: int

    def is_going(self, now_ns: int) -> bool:
        """True if a packet has arrived within the last second."""
        return now_ns - self.last_ns < _GOING_NS


class LabState(msgspec.Struct, frozen=True):
    """State of the lab.

    Attributes:
        at_ns: time of the reading on the monotonic clock.
        addresses: overlay addresses of the machines by name.
        streams: in the order of `model.demo.STREAMS`.
    """

    at_ns: int
    addresses: Mapping[str, str]
    streams: Sequence[StreamReading]


# Made at import, for the reason in CONTRIBUTING.md.
READINGS = msgspec.json.Decoder(list[StreamReading])
"""Decoder of a line that the lab prints."""
_STATE = msgspec.json.Decoder(LabState)


@dataclass(frozen=True)
class DemoLab:
    """File of the lab's state.

    Attributes:
        path: the file, in a folder of root's; None if there never is one.
        clock: monotonic time in nanoseconds.
    """

    path: Path | None = None
    clock: Callable[[], int] = time.monotonic_ns

    def look(self) -> LabState | None:
        """Read the state; None if no lab runs."""
        if self.path is None:
            return None
        try:
            with self.path.open("rb") as file:
                state = _STATE.decode(file.read(_LARGEST))
        except (OSError, msgspec.DecodeError):
            return None
        return state if self.clock() - state.at_ns < FRESH_S * 1e9 else None

    def publish(self, addresses: Mapping[str, str], streams: Sequence[StreamReading]) -> None:
        """Replace the state; raises OSError if the file can't be written."""
        assert self.path is not None
        new = self.path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(LabState(self.clock(), addresses, streams)))
        # Independent of the umask, as the web user has to read it.
        new.chmod(0o644)
        new.replace(self.path)

    def withdraw(self) -> None:
        """Remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
