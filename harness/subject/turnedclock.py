"""Clocks of the lab's own service that a scenario turns. The host's clocks stay as they are."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

VARIABLE = "MESHWG_HARNESS_CLOCK"
"""Variable with the file of a `TurnedClock`, for the service's first process."""
TURNED = "turned-clocks"
"""Name of the release that a scenario turns the clocks of."""
_OFFSETS = struct.Struct("dd")


class TurnedClock:
    """Differences between the clocks of a service and those of its host.

    Processes share it by a file, which each of them maps before it gives up its rights.

    Args:
        file: made with offsets of 0 if there is none.
    """

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(_OFFSETS.pack(0.0, 0.0))
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), _OFFSETS.size)

    @property
    def offsets(self) -> tuple[float, float]:
        """Seconds by which the wall clock is ahead of the host's, and by which the clock of the boot is."""
        wall, steady = _OFFSETS.unpack(self._shared)
        return wall, steady

    def set(self, seconds: float) -> None:
        """Sets the wall clock forward by this many seconds; back if they are negative."""
        wall, steady = self.offsets
        self._shared[:] = _OFFSETS.pack(wall + seconds, steady)

    def let_pass(self, seconds: float) -> None:
        """Lets time pass for both clocks."""
        wall, steady = self.offsets
        self._shared[:] = _OFFSETS.pack(wall + seconds, steady + seconds)

    def turn_back(self) -> None:
        """Makes both clocks the host's again."""
        self._shared[:] = _OFFSETS.pack(0.0, 0.0)
