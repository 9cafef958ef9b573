"""Adjustment of stored times after the clock was set back.

Without it, a session, a link or a letter's next attempt would last longer by the amount of the setback, and the quiet
time of an address or the work on a request would seem to begin in the future. Each column with a time is in one of the
lists below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, Connection, select, update

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
    operator_factors,
    operator_links,
    operator_sessions,
    operators,
    organizations,
    passkeys,
    permits,
    policy_history,
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
    operator_links.c.expires_at,
    operator_sessions.c.expires_at,
    operator_sessions.c.last_seen_at,
)
"""Ends of periods. They are moved back with the clock, so that the periods keep their lengths."""

BOUNDED: tuple[Column[float], ...] = (
    api_tokens.c.expires_at,
    released_addresses.c.released_at,
    repeats.c.began_at,
    reset_requests.c.at,
    organizations.c.created_at,
    organizations.c.deleting_since,
    organizations.c.trail_oldest_at,
    organizations.c.heard_at,
)
"""Times that are limited to the value that they would have if they were stored now.

A quiet time starts again rather than being too short. The end of a token is a date that its owner has read, so it is
not moved.
"""

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
    policy_history.c.at,
    invitations.c.created_at,
    api_tokens.c.created_at,
    api_tokens.c.last_used_at,
    permits.c.created_at,
    deletions.c.at,
    operations.c.at,
    operators.c.created_at,
    operator_factors.c.enabled_at,
    operator_sessions.c.created_at,
)
"""Records of past times by the clock of then, which stay unchanged."""

WAITED_FOR: tuple[Column[float], ...] = (factor_removals.c.due_at,)
"""Ends of waiting times, which stay unchanged: otherwise setting the clock back and then right would end the wait."""


@dataclass(frozen=True)
class ClockOffset:
    """Offset of the wall clock from the clock of the boot, which can't be set.

    Attributes:
        boot: id of the boot.
        offset: seconds; it changes when the wall clock is set.
    """

    boot: str
    offset: float


def find(transaction: Connection) -> ClockOffset | None:
    """The stored offset, with its row locked until the transaction ends; None if there is none."""
    row = transaction.execute(select(instance.c.clock_boot, instance.c.clock_offset).with_for_update()).one_or_none()
    return None if row is None or row.clock_boot is None else ClockOffset(row.clock_boot, row.clock_offset)


def store(transaction: Connection, clock: ClockOffset) -> None:
    """Store the offset for later comparisons."""
    transaction.execute(update(instance).values(clock_boot=clock.boot, clock_offset=clock.offset))


def move_back(transaction: Connection, back: timedelta) -> None:
    """Move the columns in `MOVED` back by the amount of the setback."""
    for column in MOVED:
        transaction.execute(update(column.table).values({column.name: column - back.total_seconds()}))


def limit(
    transaction: Connection,
    now: datetime,
    longest: Mapping[Column[float], timedelta],
    of_tickets: Mapping[TicketKind, timedelta],
) -> None:
    """Limit the columns in `MOVED` and `BOUNDED` to the values that they could have if they were stored now.

    Args:
        longest: most time from now by column; nothing for other columns.
        of_tickets: most time from now to a ticket's end, by its kind.
    """
    for column in (*MOVED, *BOUNDED):
        if column.table is not tickets:
            _limit(transaction, column, now + longest.get(column, timedelta()))
    for kind, lifetime in of_tickets.items():
        _limit(transaction, tickets.c.expires_at, now + lifetime, tickets.c.kind == kind.value)


def _limit(transaction: Connection, column: Column[float], latest: datetime, *conditions: ColumnElement[bool]) -> None:
    moment = times.stored(latest)
    transaction.execute(update(column.table).where(column > moment, *conditions).values({column.name: moment}))
