"""Times are stored as seconds since the epoch: every database has floats, and none of them a time zone to lose."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(timezone.utc)


def stored(moment: datetime) -> float:
    """As the database keeps it."""
    return moment.timestamp()


def loaded(seconds: float) -> datetime:
    """As the program knows it."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def rfc3339(moment: datetime) -> str:
    """For programs: RFC 3339, in UTC, to the second."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
