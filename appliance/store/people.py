"""Accounts of members, across all organizations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from appliance.model.errors import Conflict
from appliance.model.organization import Member, Role
from appliance.store import times
from appliance.store.schema import members, organizations

_CREATE = insert(members)


def create(transaction: Connection, member: Member, now: datetime) -> None:
    """Store a new member, who joins now.

    Raises:
        Conflict: the e-mail address has an account already.
    """
    try:
        transaction.execute(
            _CREATE,
            {
                "id": member.id,
                "organization_id": member.organization_id,
                "email": member.email,
                "password_hash": member.password_hash,
                "role": member.role.value,
                "language": member.language,
                "created_at": times.stored(now),
            },
        )
    except IntegrityError as error:
        raise Conflict("This e-mail address has an account already.", field="email") from error


def by_email(transaction: Connection, email: str) -> Member | None:
    """The member with this e-mail address, if the organization is active."""
    row = transaction.execute(
        select(members).join(organizations).where(members.c.email == email, organizations.c.active)
    ).one_or_none()
    return None if row is None else loaded(row)


def by_id(transaction: Connection, member_id: str) -> Member | None:
    """The member of this id, if the organization is active."""
    row = transaction.execute(
        select(members).join(organizations).where(members.c.id == member_id, organizations.c.active)
    ).one_or_none()
    return None if row is None else loaded(row)


def change_password_hash(transaction: Connection, member_id: str, password_hash: str) -> None:
    transaction.execute(update(members).where(members.c.id == member_id).values(password_hash=password_hash))


def choose_language(transaction: Connection, member_id: str, language: str) -> None:
    """Store the tag of the language that letters to the member are written in."""
    transaction.execute(update(members).where(members.c.id == member_id).values(language=language))


def language_of_inviter(transaction: Connection, organization_id: str, email: str) -> str | None:
    """Tag of the language of an organization's member, or of its oldest owner if it has no member of this address.

    Returns:
        None if they have chosen none.
    """
    return transaction.execute(
        select(members.c.language)
        .where(members.c.organization_id == organization_id)
        .order_by(members.c.email != email, members.c.role != Role.OWNER.value, members.c.created_at, members.c.id)
        .limit(1)
    ).scalar_one_or_none()


def verify(transaction: Connection, member_id: str, now: datetime) -> None:
    """Mark the member's e-mail address as verified."""
    transaction.execute(update(members).where(members.c.id == member_id).values(verified_at=times.stored(now)))


def loaded(row: Any) -> Member:
    """Make a member of a row, which may have further columns."""
    verified_at = None if row.verified_at is None else times.loaded(row.verified_at)
    return Member(row.id, row.organization_id, row.email, row.password_hash, Role(row.role), verified_at, row.language)
