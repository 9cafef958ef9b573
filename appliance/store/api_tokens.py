"""API tokens of members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from appliance.model.access import Scope
from appliance.model.errors import Conflict
from appliance.model.organization import Role
from appliance.store import times
from appliance.store.schema import api_tokens as _table
from appliance.store.schema import members, organizations


@dataclass(frozen=True)
class ApiToken:
    """An API token, without its secret.

    Attributes:
        member_id, email, role: the member who made it.
        last_used_at: to the minute; None if it was never used.
        is_suspended: true if the organization is suspended.
    """

    id: str
    organization_id: str
    member_id: str
    email: str
    role: Role
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    is_suspended: bool = False


_WITH_MEMBER = (
    select(_table, members.c.organization_id, members.c.email, members.c.role, organizations.c.suspended_at)
    .join(members, members.c.id == _table.c.member_id)
    .join(organizations, organizations.c.id == members.c.organization_id)
)
_BY_HASH = _WITH_MEMBER.where(_table.c.token_hash == bindparam("hash"), _table.c.expires_at > bindparam("now"))
# Runs with every change by token. The lock lets others update the token's last use, and makes its revocation wait.
_ROLE = (
    select(members.c.role)
    .join(_table, _table.c.member_id == members.c.id)
    .where(_table.c.token_hash == bindparam("hash"), _table.c.expires_at > bindparam("now"))
)
_ROLE_LOCKED = _ROLE.with_for_update(read=True, key_share=True, of=_table)


def create(transaction: Connection, new: ApiToken, token_hash: str) -> None:
    """Store a token under its hash.

    Raises:
        Conflict: the member has a token of this name.
    """
    try:
        transaction.execute(
            insert(_table).values(
                id=new.id,
                member_id=new.member_id,
                name=new.name,
                scope=new.scope.value,
                token_hash=token_hash,
                created_at=times.stored(new.created_at),
                expires_at=times.stored(new.expires_at),
            )
        )
    except IntegrityError as error:
        raise Conflict("You have a token of this name already.", field="name") from error


def by_hash(transaction: Connection, token_hash: str, now: datetime) -> ApiToken | None:
    """The token of this hash, unless it has expired."""
    row = transaction.execute(_BY_HASH, {"hash": token_hash, "now": times.stored(now)}).one_or_none()
    return None if row is None else _loaded(row)


def role_of(transaction: Connection, token_hash: str, now: datetime, *, locked: bool) -> Role | None:
    """Role of the member who made the token of this hash; None if it is revoked or has expired.

    Args:
        locked: hold off its revocation until the transaction ends, also on PostgreSQL.
    """
    parameters = {"hash": token_hash, "now": times.stored(now)}
    role = transaction.execute(_ROLE_LOCKED if locked else _ROLE, parameters).scalar_one_or_none()
    return None if role is None else Role(role)


def page_of(
    transaction: Connection, organization_id: str, *, member_id: str | None, after: str | None, limit: int
) -> list[ApiToken]:
    """At most ``limit`` tokens beyond ``after``, sorted by id, including expired ones.

    Args:
        member_id: only this member's tokens; None for the whole organization's.
    """
    query = _of(organization_id).order_by(_table.c.id).limit(limit)
    if member_id is not None:
        query = query.where(_table.c.member_id == member_id)
    if after is not None:
        query = query.where(_table.c.id > after)
    return [_loaded(row) for row in transaction.execute(query)]


def find(transaction: Connection, organization_id: str, token_id: str) -> ApiToken | None:
    """The token of this id, if a member of the organization has it."""
    row = transaction.execute(_of(organization_id).where(_table.c.id == token_id)).one_or_none()
    return None if row is None else _loaded(row)


def count(transaction: Connection, member_id: str) -> int:
    return transaction.execute(select(func.count()).where(_table.c.member_id == member_id)).scalar_one()


def touch(transaction: Connection, token_id: str, now: datetime) -> None:
    """Store the time of the token's last use."""
    transaction.execute(update(_table).where(_table.c.id == token_id).values(last_used_at=times.stored(now)))


def remove(transaction: Connection, token_id: str) -> None:
    transaction.execute(delete(_table).where(_table.c.id == token_id))


def remove_all(transaction: Connection, member_id: str) -> int:
    """Remove all tokens of a member; returns their number."""
    return transaction.execute(delete(_table).where(_table.c.member_id == member_id)).rowcount


def _of(organization_id: str) -> Select[Any]:
    return _WITH_MEMBER.where(members.c.organization_id == organization_id)


def _loaded(row: Any) -> ApiToken:
    return ApiToken(
        id=row.id,
        organization_id=row.organization_id,
        member_id=row.member_id,
        email=row.email,
        role=Role(row.role),
        name=row.name,
        scope=Scope(row.scope),
        created_at=times.loaded(row.created_at),
        expires_at=times.loaded(row.expires_at),
        last_used_at=None if row.last_used_at is None else times.loaded(row.last_used_at),
        is_suspended=row.suspended_at is not None,
    )
