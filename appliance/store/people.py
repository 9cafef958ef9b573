"""Members and their sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from appliance.model.errors import Conflict
from appliance.model.organization import Member, Role
from appliance.store import times
from appliance.store.schema import members, organizations, sessions

# Read with every request, and so built once: building costs as much as executing.
_BY_SESSION = (
    select(members)
    .join(sessions, sessions.c.member_id == members.c.id)
    .where(
        sessions.c.token_hash == bindparam("token"),
        sessions.c.expires_at > bindparam("now"),
        sessions.c.last_seen_at > bindparam("idle_since"),
    )
)
_LAST_SEEN = select(sessions.c.last_seen_at).where(sessions.c.token_hash == bindparam("token"))


def create(transaction: Connection, member: Member) -> None:
    """Stores a new member.

    Raises:
        Conflict: the e-mail address has an account already.
    """
    try:
        transaction.execute(
            insert(members).values(
                id=member.id,
                organization_id=member.organization_id,
                email=member.email,
                password_hash=member.password_hash,
                role=member.role.value,
                created_at=times.stored(times.now()),
            )
        )
    except IntegrityError as error:
        raise Conflict("This e-mail address has an account already.", field="email") from error


def by_email(transaction: Connection, email: str) -> Member | None:
    """The member of that address; none while the organization is not active."""
    row = transaction.execute(
        select(members).join(organizations).where(members.c.email == email, organizations.c.active)
    ).one_or_none()
    return None if row is None else _loaded(row)


def change_password_hash(transaction: Connection, member_id: str, password_hash: str) -> None:
    """The same password under newer parameters, or another one."""
    transaction.execute(update(members).where(members.c.id == member_id).values(password_hash=password_hash))


def open_session(transaction: Connection, member_id: str, token_hash: str, now: datetime, until: datetime) -> None:
    """Stores a session under its token's hash."""
    transaction.execute(
        insert(sessions).values(
            token_hash=token_hash,
            member_id=member_id,
            created_at=times.stored(now),
            last_seen_at=times.stored(now),
            expires_at=times.stored(until),
        )
    )


def by_session(transaction: Connection, token_hash: str, now: datetime, idle_since: datetime) -> Member | None:
    """Whose session this is, unless it ended, or nobody used it since ``idle_since``."""
    wanted = {"token": token_hash, "now": times.stored(now), "idle_since": times.stored(idle_since)}
    row = transaction.execute(_BY_SESSION, wanted).one_or_none()
    return None if row is None else _loaded(row)


def last_seen(transaction: Connection, token_hash: str) -> datetime | None:
    """When the session was last used, as far as that was noted."""
    seconds = transaction.execute(_LAST_SEEN, {"token": token_hash}).scalar_one_or_none()
    return None if seconds is None else times.loaded(seconds)


def touch_session(transaction: Connection, token_hash: str, now: datetime) -> None:
    """Notes that the session is in use."""
    transaction.execute(
        update(sessions).where(sessions.c.token_hash == token_hash).values(last_seen_at=times.stored(now))
    )


def close_session(transaction: Connection, token_hash: str) -> None:
    """Ends a session."""
    transaction.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def forget_ended(transaction: Connection, now: datetime) -> None:
    """Removes sessions past their end."""
    transaction.execute(delete(sessions).where(sessions.c.expires_at <= times.stored(now)))


def _loaded(row: Any) -> Member:
    return Member(row.id, row.organization_id, row.email, row.password_hash, Role(row.role))
