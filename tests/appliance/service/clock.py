"""A clock that a test sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from appliance.vault import codes


@dataclass
class Clock:
    """A clock that stands still between the steps of a test."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def wait(self, time: timedelta = timedelta(seconds=codes.STEP_S)) -> None:
        """Moves the clock forward, by default past the validity of a TOTP code."""
        self.now += time
