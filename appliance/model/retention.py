"""Retention: the part of an audit trail that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MEGABYTE = 10**6
MOST_A_DAY = 20 * MEGABYTE
"""Bytes that an organization's changes may add to its trail in a day (UTC)."""

LEAST_MEGABYTES = 30
"""More than a day's worth: nobody removes what is younger than a day by making many changes."""

MOST_MEGABYTES = 1_000_000
LONGEST_DAYS = 36_500
"""A century; more days than since the year 1 could not be counted back."""


@dataclass(frozen=True)
class Retention:
    """What the operator decided, for each organization.

    Attributes:
        days: older entries are removed.
        bytes: of a longer trail, the oldest entries are removed.
    """

    days: int = 400
    bytes: int = 200 * MEGABYTE

    @property
    def megabytes(self) -> int:
        """The same bound in megabytes."""
        return self.bytes // MEGABYTE

    def oldest(self, now: datetime) -> datetime:
        """Entries from before this moment are not kept."""
        return now - timedelta(days=self.days)
