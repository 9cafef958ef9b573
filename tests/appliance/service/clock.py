"""A clock that a test sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from appliance.vault import codes


@dataclass
class Clock:
    """Stands still between the steps of a test."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def wait(self, time: timedelta = timedelta(seconds=codes.STEP_S)) -> None:
        """Time passes; as much as a code is good for, if nothing else is said."""
        self.now += time
