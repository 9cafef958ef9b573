"""Changes of the store alone, and the entry in the audit trail that every change gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection

from appliance.model import retention
from appliance.model.errors import TooMany
from appliance.model.organization import Member, Organization
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.room import RATION, RATION_USED
from appliance.service.standing import admit
from appliance.store import audit, operations, organizations, repeats, trails
from appliance.store.operations import OperatorCommand
from appliance.store.session_table import ClientDevice

MOST_OF_ACCOUNT = 10
"""Entries that a member adds at will about their own account within `LATELY`, while their part of a day is full."""
LATELY = timedelta(minutes=10)
_OPENED = "session.opened"
_AT_WILL = (_OPENED, "password.changed", "second-factor.enabled", "recovery-codes.made")

Also = Callable[[Connection], object]
"""Further work in the transaction of a use case, such as recording the command that it is for."""


class Unrecorded(Exception):
    """A change has no entry in the audit trail, and does not say that it needs none: a mistake in our code.

    It is not stored.
    """


def nothing_more(transaction: Connection) -> None:
    """Do nothing beside the use case's own work (`Also`)."""


@dataclass
class Note:
    """Content of a change's entry in the audit trail.

    Attributes:
        made: API path of what the change creates; a repeated request is told of it.
    """

    action: str = field(default="", init=False)
    detail: dict[str, Any] | None = field(default=None, init=False)
    made: str | None = field(default=None, init=False)

    def note(self, action: str, **detail: Any) -> None:
        """Set the entry's content, which must not contain secrets."""
        self.action, self.detail = action, detail


@dataclass
class Recording(Note):
    """A change of the store alone, with its open transaction and its entry in the audit trail.

    Attributes:
        organization: before the change; its row is locked.
        needs_no_entry: the trail tells nothing of this change.
    """

    transaction: Connection
    organization: Organization
    needs_no_entry: bool = field(default=False, init=False)

    def leave_no_entry(self) -> None:
        """Say that nothing has changed that somebody would look for in the audit trail."""
        self.needs_no_entry = True


@contextmanager
def recording(context: Context, actor: Actor) -> Iterator[Recording]:
    """Change one organization in the store alone, and record it in the audit trail when the block ends.

    The block notes the entry's content, or adds an entry of its own (`audit.record`), or says that it needs none.

    Raises:
        Unrecorded: it does none of this.
        NotFound: the organization was removed.
        Suspended, Unauthenticated, Forbidden: the actor has lost the right to change anything (`check_standing`).
    """
    with context.store.write() as transaction:
        record = Recording(transaction, admit(context, transaction, actor, locked=True))
        yield record
        write_trail(context, transaction, actor, record)
        _check_entry(record)


def _check_entry(record: Recording) -> None:
    if record.detail is not None or record.needs_no_entry:
        return
    if trails.size_of(record.transaction, record.organization.id).entries == record.organization.trail_entries:
        raise Unrecorded("a change of the store has no entry in the audit trail")


def check_trail(context: Context, organization: Organization, actor: Actor) -> None:
    """Check that the organization may write more to its audit trail today.

    Changes that revoke access skip this check, so that they work also after somebody has filled the trail.

    Raises:
        TooMany: the organization's changes have filled the day's share, or for a viewer a quarter of it.
        NoRoom: the store's disk is nearly full, and the changes have filled the ration that there is then.
    """
    now = context.clock()
    written = trails.written_on(organization, now)
    # A viewer changes only their own account.
    most = retention.MOST_A_DAY if actor.role.may_change else retention.MOST_A_DAY_OF_ACCOUNTS
    if actor.is_operator:
        return
    if written >= RATION:
        context.room.check(RATION_USED)
    if written < most:
        return
    context.refusals["trail"] += 1
    midnight = datetime.combine(now.date() + timedelta(days=1), time.min, now.tzinfo)
    raise TooMany(
        "Your organization's changes filled {size} MB of its audit trail today, "
        "and that is the most. Changes are possible again from midnight (UTC).",
        retry_after=int((midnight - now).total_seconds()) + 1,
        size=most // retention.MEGABYTE,
    )


def record_sign_in(
    context: Context, transaction: Connection, member: Member, device: ClientDevice, **facts: object
) -> None:
    """Record that a member opens a session.

    Raises:
        TooMany: the member has signed in again and again (`check_account_trail`).
    """
    check_account_trail(context, transaction, member)
    detail = {"address": device.address, **facts}
    audit.record(transaction, member.organization_id, member.email, _OPENED, detail, context.clock())


def check_account_trail(context: Context, transaction: Connection, member: Member) -> None:
    """Check that a member may write more to the audit trail about how they get into their account.

    A full trail keeps nobody out. Once `MOST_A_DAY_OF_ACCOUNTS` bytes of the day are written, each member has a pace,
    so that none pushes old entries out within days. While the store's disk is nearly full, it is `RATION` bytes.

    Raises:
        TooMany: the member has written `MOST_OF_ACCOUNT` such entries within `LATELY`.
    """
    now, organization = context.clock(), organizations.find(transaction, member.organization_id)
    most = RATION if context.room.is_low() else retention.MOST_A_DAY_OF_ACCOUNTS
    if organization is None or trails.written_on(organization, now) < most:
        return
    lately = audit.count_since(transaction, organization.id, member.email, _AT_WILL, now - LATELY, now)
    if lately < MOST_OF_ACCOUNT:
        return
    context.refusals["trail"] += 1
    raise TooMany(
        "You signed in, or changed how you sign in, {most} times within {minutes} minutes. That is the most while your "
        "organization's audit trail of today is this full. Wait a few minutes.",
        retry_after=int(LATELY.total_seconds()),
        most=MOST_OF_ACCOUNT,
        minutes=int(LATELY.total_seconds() // 60),
    )


def write_trail(context: Context, transaction: Connection, actor: Actor, note: Note) -> None:
    """Record a change in the audit trail if its entry is noted, and mark its request as done.

    An operator's change on the pages is recorded in the log of operations, too, which does not name the organization.
    """
    if actor.request is not None:
        repeats.mark_done(transaction, actor.request, note.made)
    if note.detail is not None:
        now = context.clock()
        audit.record(transaction, actor.organization_id, actor.name, note.action, note.detail, now)
        if actor.account:
            operations.record(transaction, OperatorCommand(now, actor.account, note.action, {}))
