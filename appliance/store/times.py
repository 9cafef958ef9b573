"""Conversion of times. They are stored as seconds since the epoch, which work alike in all databases."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(timezone.utc)


def stored(moment: datetime) -> float:
    """Convert a time to its form in the database."""
    return moment.timestamp()


def loaded(seconds: float) -> datetime:
    """Convert a time from its form in the database."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def rfc3339(moment: datetime) -> str:
    """Format a time by RFC 3339, in UTC, to the second."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
