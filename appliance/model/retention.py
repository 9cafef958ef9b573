"""Retention of audit trails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MEGABYTE = 10**6
MOST_A_DAY = 20 * MEGABYTE
"""Most bytes that an organization's changes may add to its trail in a day (UTC)."""

MOST_A_DAY_OF_ACCOUNTS = MOST_A_DAY // 4
"""Most of these bytes that people can use up with entries about their own account."""

LEAST_MEGABYTES = 30
"""Smallest limit: more than `MOST_A_DAY`, so that many changes can't push out entries of the same day."""

MOST_MEGABYTES = 1_000_000
LONGEST_DAYS = 36_500
"""A century, well within the range of `datetime`."""


@dataclass(frozen=True)
class Retention:
    """Limits of each organization's audit trail, as the operator set them.

    Attributes:
        days: age after which entries are removed.
        bytes: size above which the oldest entries are removed.
    """

    days: int = 400
    bytes: int = 200 * MEGABYTE

    @property
    def megabytes(self) -> int:
        """Limit of the size in megabytes."""
        return self.bytes // MEGABYTE

    def oldest(self, now: datetime) -> datetime:
        """Time before which entries are removed."""
        return now - timedelta(days=self.days)
