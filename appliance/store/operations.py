"""Log of operators' commands. Changes by members are in the organizations' audit trails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from appliance.store import times
from appliance.store.schema import operations as _table

STARTED = "service.started"
BACKED_UP = "backup.written"
RESTORED = "backup.restored"
ROTATED = "unlock-secret.rotated"
ORPHANS_REMOVED = "orphans.removed"
PUBLISHED = "transcript.published"
WITHDRAWN = "transcript.withdrawn"
HELD = "transcript.held"
PLAN_CHANGED = "organization.plan"
SUSPENDED = "organization.suspended"
RESUMED = "organization.resumed"
INVITED = "member.invited"
INVITATION_REVOKED = "invitation.revoked"
SIGN_UP_INVITED = "sign-up.invited"
SIGN_UP_REVOKED = "sign-up.revoked"
RESET_LINK_ISSUED = "reset-link.issued"
FACTOR_REMOVAL_BEGUN = "factor-removal.begun"
FACTOR_REMOVAL_STOPPED = "factor-removal.stopped"
VERIFICATION_LINK_ISSUED = "verification-link.issued"
OPERATOR_ADDED = "operator.added"
OPERATOR_ENROLLED = "operator.enrolled"
OPERATOR_REMOVED = "operator.removed"
OPERATOR_SIGNED_IN = "operator.signed-in"
VIEWED = "organization.viewed"
SHARD_ADDED = "shard.added"
SHARD_MOVED = "shard.moved"
SHARD_TAKEN = "shard.taken"
HOST_DRAINED = "host.drained"
HOST_JOINED = "host.joined"


@dataclass(frozen=True)
class OperatorCommand:
    """An entry of the log.

    Attributes:
        user: name of the user of the host who ran the command, or e-mail address of an operator on the pages.
        detail: JSON data without secrets and personal data.
    """

    at: datetime
    user: str
    action: str
    detail: dict[str, Any]


def record(transaction: Connection, operation: OperatorCommand) -> None:
    transaction.execute(
        insert(_table).values(
            at=times.stored(operation.at), user=operation.user, action=operation.action, detail=operation.detail
        )
    )


def trim(transaction: Connection, most: int) -> int:
    """Remove the oldest entries beyond about ``most``; returns their number."""
    newest = transaction.execute(select(func.max(_table.c.id))).scalar_one()
    if newest is None:
        return 0
    return transaction.execute(delete(_table).where(_table.c.id <= newest - most)).rowcount


def latest(transaction: Connection, limit: int) -> list[OperatorCommand]:
    """The newest entries, newest first."""
    rows = transaction.execute(select(_table).order_by(_table.c.id.desc()).limit(limit))
    return [OperatorCommand(times.loaded(row.at), row.user, row.action, row.detail) for row in rows]
