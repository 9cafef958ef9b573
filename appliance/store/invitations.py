"""Invitations that are not accepted yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from appliance.model.errors import Conflict
from appliance.model.organization import Role
from appliance.store import times
from appliance.store.schema import invitations as _table


@dataclass(frozen=True)
class Invitation:
    """An invitation to join an organization in a role.

    Attributes:
        invited_by: actor in the audit trail.
        by_letter: true if the link is only in a letter to the address.
        operator: e-mail address of the operator who made it on the pages; None for anybody else.
    """

    id: str
    organization_id: str
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime
    by_letter: bool
    operator: str | None = None


def create(transaction: Connection, new: Invitation) -> None:
    """Store an invitation that has no link yet.

    Raises:
        Conflict: the organization has invited this address already.
    """
    try:
        transaction.execute(
            insert(_table).values(
                id=new.id,
                organization_id=new.organization_id,
                email=new.email,
                role=new.role.value,
                invited_by=new.invited_by,
                created_at=times.stored(new.created_at),
                expires_at=times.stored(new.expires_at),
                by_letter=new.by_letter,
                operator=new.operator,
            )
        )
    except IntegrityError as error:
        raise Conflict("This address is invited already; revoke that invitation first.", field="email") from error


def replace_link(transaction: Connection, invitation_id: str, token_hash: str) -> None:
    transaction.execute(update(_table).where(_table.c.id == invitation_id).values(token_hash=token_hash))


def by_link(transaction: Connection, token_hash: str, now: datetime) -> Invitation | None:
    """The invitation of this link, unless it has expired."""
    return _one(transaction, _table.c.token_hash == token_hash, _table.c.expires_at > times.stored(now))


def by_id(transaction: Connection, invitation_id: str, now: datetime) -> Invitation | None:
    """The invitation of this id, unless it has expired."""
    return _one(transaction, _table.c.id == invitation_id, _table.c.expires_at > times.stored(now))


def of_organization(transaction: Connection, organization_id: str, now: datetime) -> list[Invitation]:
    """Invitations of the organization that have not expired, oldest first."""
    rows = transaction.execute(
        select(_table)
        .where(_table.c.organization_id == organization_id, _table.c.expires_at > times.stored(now))
        .order_by(_table.c.created_at, _table.c.id)
    )
    return [_loaded(row) for row in rows]


def remove(transaction: Connection, organization_id: str, invitation_id: str) -> Invitation | None:
    """Remove and return an invitation of the organization; None if there is none."""
    invitation = _one(transaction, _table.c.id == invitation_id, _table.c.organization_id == organization_id)
    if invitation is None or transaction.execute(delete(_table).where(_table.c.id == invitation.id)).rowcount != 1:
        return None
    return invitation


def remove_all_of(transaction: Connection, organization_id: str, invited_by: str) -> int:
    """Remove the invitations that this member made; returns their number."""
    return transaction.execute(
        delete(_table).where(_table.c.organization_id == organization_id, _table.c.invited_by == invited_by)
    ).rowcount


def remove_all_of_operator(transaction: Connection, operator: str) -> list[Invitation]:
    """Remove and return the invitations that this operator made on the pages, in the order of organizations."""
    rows = transaction.execute(delete(_table).where(_table.c.operator == operator).returning(_table)).all()
    return sorted(map(_loaded, rows), key=lambda each: (each.organization_id, each.id))


def forget_expired(transaction: Connection, organization_id: str, now: datetime) -> None:
    """Remove the organization's expired invitations."""
    transaction.execute(
        delete(_table).where(_table.c.organization_id == organization_id, _table.c.expires_at <= times.stored(now))
    )


def _one(transaction: Connection, *conditions: Any) -> Invitation | None:
    row = transaction.execute(select(_table).where(*conditions)).one_or_none()
    return None if row is None else _loaded(row)


def _loaded(row: Any) -> Invitation:
    return Invitation(
        id=row.id,
        organization_id=row.organization_id,
        email=row.email,
        role=Role(row.role),
        invited_by=row.invited_by,
        created_at=times.loaded(row.created_at),
        expires_at=times.loaded(row.expires_at),
        by_letter=row.by_letter,
        operator=row.operator,
    )
