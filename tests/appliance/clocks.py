"""Clocks that stand still until a test moves them, and services at a later time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Generic, TypeVar

from appliance.service import Context
from appliance.vault import codes

_Time = TypeVar("_Time", int, float, datetime)


@dataclass
class Clock(Generic[_Time]):
    """A clock that a test sets.

    Attributes:
        now: a moment, or the seconds or nanoseconds of a monotonic clock.
    """

    now: _Time

    def __call__(self) -> _Time:
        return self.now


@dataclass
class WallClock(Clock[datetime]):
    """A clock of the service, at a moment that no test depends on."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def wait(self, time: timedelta = timedelta(seconds=codes.STEP_S)) -> None:
        """Moves the clock forward, by default past the validity of a TOTP code."""
        self.now += time


@dataclass
class ModuleTime(Clock[float]):
    """Stand-in for the module `time` in what is tested: time passes while one sleeps, and at no other moment."""

    now: float = 100.0

    def monotonic(self) -> float:
        """Tells the time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Lets time pass at once."""
        self.now += seconds


def after(context: Context, waited: timedelta) -> Context:
    """Returns the context as it is that much later."""
    return replace(context, clock=lambda: context.clock() + waited)
