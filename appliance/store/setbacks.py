"""Stored moments after the clock was set back.

An end that was stored before is later by as much as the clock was set back, if nothing is done: that of a session or a
link, or a letter's next attempt. And what began "in the future" seems to begin only then: the quiet time of an address,
the work on a request. Each moment of the schema is in one of the lists below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, Float, select, update

from appliance.store import times
from appliance.store.schema import (
    api_tokens,
    audit,
    challenges,
    deletions,
    factor_removals,
    instance,
    invitations,
    machines,
    mail,
    members,
    operations,
    organizations,
    passkeys,
    permits,
    released_addresses,
    repeats,
    reset_requests,
    second_factors,
    sessions,
    tickets,
)
from appliance.store.tickets import TicketKind

MOVED: tuple[Column[float], ...] = (
    sessions.c.expires_at,
    sessions.c.last_seen_at,
    tickets.c.expires_at,
    challenges.c.expires_at,
    invitations.c.expires_at,
    permits.c.expires_at,
    mail.c.due_at,
)
"""Ends of what lasts for a while: they go back with the clock, so that it lasts as long as it was promised."""

BOUNDED: tuple[Column[float], ...] = (
    api_tokens.c.expires_at,
    released_addresses.c.released_at,
    repeats.c.began_at,
    reset_requests.c.at,
    organizations.c.created_at,
    organizations.c.deleting_since,
    organizations.c.trail_oldest_at,
)
"""They are no later than if they were stored now: a quiet time begins anew rather than being too short, and the end of
a token is a date that somebody was told."""

RECORDS: tuple[Column[float], ...] = (
    instance.c.clock_offset,
    organizations.c.suspended_at,
    members.c.verified_at,
    members.c.created_at,
    sessions.c.created_at,
    second_factors.c.enabled_at,
    factor_removals.c.begun_at,
    passkeys.c.created_at,
    passkeys.c.last_used_at,
    machines.c.created_at,
    audit.c.at,
    invitations.c.created_at,
    api_tokens.c.created_at,
    api_tokens.c.last_used_at,
    permits.c.created_at,
    deletions.c.at,
    operations.c.at,
)
"""They tell people when something was, by the clock of then, and stay as they are."""

WAITED_FOR: tuple[Column[float], ...] = (factor_removals.c.due_at,)
"""They stay, too. Were they to come nearer, a clock that is set back and then right would end the wait at once."""


@dataclass(frozen=True)
class ClockOffset:
    """Difference between the wall clock and one that can't be set.

    Attributes:
        boot: names the boot that the other clock counts from.
        offset: seconds from that clock to the wall clock; another number once the wall clock was set.
    """

    boot: str
    offset: float


def find(transaction: Connection) -> ClockOffset | None:
    """Last difference that was kept, locked until the transaction ends; None where none was."""
    row = transaction.execute(select(instance.c.clock_boot, instance.c.clock_offset).with_for_update()).one_or_none()
    return None if row is None or row.clock_boot is None else ClockOffset(row.clock_boot, row.clock_offset)


def store(transaction: Connection, stand: ClockOffset) -> None:
    """Keep this difference for later comparisons."""
    transaction.execute(update(instance).values(clock_boot=stand.boot, clock_offset=stand.offset))


def move_back(transaction: Connection, back: timedelta) -> None:
    """Ends come as much earlier as the clock was set back."""
    for column in MOVED:
        transaction.execute(update(column.table).values({column.name: column - back.total_seconds()}))


def limit(
    transaction: Connection,
    now: datetime,
    longest: Mapping[Column[float], timedelta],
    of_tickets: Mapping[TicketKind, timedelta],
) -> None:
    """No moment is later than if it were stored now.

    Args:
        longest: how far in the future an end may be; whatever is not named, not at all.
        of_tickets: how far that of a ticket may be, by its kind.
    """
    for column in (*MOVED, *BOUNDED):
        if column.table is not tickets:
            _bound(transaction, column, now + longest.get(column, timedelta()))
    for kind, lifetime in of_tickets.items():
        _bound(transaction, tickets.c.expires_at, now + lifetime, tickets.c.kind == kind.value)


def _bound(transaction: Connection, column: Column[float], latest: datetime, *which: ColumnElement[bool]) -> None:
    moment = times.stored(latest)
    transaction.execute(update(column.table).where(column > moment, *which).values({column.name: moment}))


def unlisted(columns: Mapping[str, Column[float]]) -> set[str]:
    """Names of those of these columns that hold a moment and are in no list; for tests."""
    listed = {str(column) for column in (*MOVED, *BOUNDED, *RECORDS, *WAITED_FOR)}
    return {name for name, column in columns.items() if isinstance(column.type, Float) and name not in listed}
