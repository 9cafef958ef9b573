"""Operators: accounts without an organization, their links, sessions and second factors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from appliance.model.errors import Conflict
from appliance.store import times
from appliance.store.factor_table import FactorTable
from appliance.store.schema import (
    operator_factors,
    operator_links,
    operator_recovery_codes,
    operator_sessions,
)
from appliance.store.schema import operators as _table
from appliance.store.session_table import SessionTable

factors = FactorTable(operator_factors, operator_recovery_codes, "operator_id")
sessions = SessionTable(operator_sessions, operator_sessions.c.operator_id)


@dataclass(frozen=True)
class Operator:
    """Account of an operator.

    Attributes:
        password_hash: None until the operator has chosen a password.
    """

    id: str
    email: str
    created_at: datetime
    password_hash: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class OperatorStanding:
    """An operator with what gives them access.

    Attributes:
        is_enrolled: True if password and second factor are set up.
        recovery_codes: number of unused ones.
        last_seen_at: last use of a session that still exists; None without one.
    """

    operator: Operator
    is_enrolled: bool
    recovery_codes: int
    last_seen_at: datetime | None


def exist(transaction: Connection) -> bool:
    """True if there is any operator."""
    return bool(transaction.execute(select(exists().select_from(_table))).scalar_one())


def count(transaction: Connection) -> int:
    return transaction.execute(select(func.count()).select_from(_table)).scalar_one()


def create(transaction: Connection, operator: Operator) -> None:
    """Store a new operator.

    Raises:
        Conflict: there is an operator with this address.
    """
    try:
        transaction.execute(
            insert(_table).values(
                id=operator.id, email=operator.email, created_at=times.stored(operator.created_at), password_hash=None
            )
        )
    except IntegrityError as error:
        raise Conflict("There is an operator with this address.", field="email") from error


def by_email(transaction: Connection, email: str) -> Operator | None:
    row = transaction.execute(select(_table).where(_table.c.email == email)).one_or_none()
    return None if row is None else _loaded(row)


def find_locked(transaction: Connection, operator_id: str) -> Operator | None:
    """The operator of this id, with the row locked, so that nobody removes them before the transaction ends."""
    row = transaction.execute(select(_table).where(_table.c.id == operator_id).with_for_update()).one_or_none()
    return None if row is None else _loaded(row)


def all_of(transaction: Connection) -> list[OperatorStanding]:
    """All operators, oldest first."""
    seen = select(operator_sessions.c.operator_id, func.max(operator_sessions.c.last_seen_at).label("at"))
    latest = seen.group_by(operator_sessions.c.operator_id).subquery()
    rows = transaction.execute(
        select(_table, latest.c.at)
        .join(latest, latest.c.operator_id == _table.c.id, isouter=True)
        .order_by(_table.c.created_at, _table.c.id)
    )
    return [_standing(transaction, row) for row in rows]


def remove(transaction: Connection, operator_id: str) -> None:
    """Remove an operator, with links, sessions and second factor."""
    transaction.execute(delete(_table).where(_table.c.id == operator_id))


def change_password_hash(transaction: Connection, operator_id: str, password_hash: str) -> None:
    transaction.execute(update(_table).where(_table.c.id == operator_id).values(password_hash=password_hash))


def replace_link(transaction: Connection, operator_id: str, token_hash: str, until: datetime) -> None:
    """Store a link under its token's hash; it replaces the operator's earlier one."""
    drop_link(transaction, operator_id)
    transaction.execute(
        insert(operator_links).values(token_hash=token_hash, operator_id=operator_id, expires_at=times.stored(until))
    )


def by_link(transaction: Connection, token_hash: str, now: datetime) -> Operator | None:
    """The operator of a link; None if it is unknown, or has expired."""
    row = transaction.execute(
        select(_table)
        .join(operator_links, operator_links.c.operator_id == _table.c.id)
        .where(operator_links.c.token_hash == token_hash, operator_links.c.expires_at > times.stored(now))
    ).one_or_none()
    return None if row is None else _loaded(row)


def use_link(transaction: Connection, token_hash: str) -> bool:
    """Use up a link; false if another request was faster."""
    used = transaction.execute(delete(operator_links).where(operator_links.c.token_hash == token_hash))
    return used.rowcount == 1


def drop_link(transaction: Connection, operator_id: str) -> None:
    transaction.execute(delete(operator_links).where(operator_links.c.operator_id == operator_id))


def by_session(
    transaction: Connection, token_hash: str, now: datetime, idle_since: datetime, *, locked: bool = False
) -> tuple[Operator, datetime] | None:
    """Operator and last use of a session; None if it ended or was not used since ``idle_since``.

    Args:
        locked: hold off its end until the transaction ends, also on PostgreSQL.
    """
    query = (
        select(_table, operator_sessions.c.last_seen_at)
        .join(operator_sessions, operator_sessions.c.operator_id == _table.c.id)
        .where(
            operator_sessions.c.token_hash == token_hash,
            operator_sessions.c.expires_at > times.stored(now),
            operator_sessions.c.last_seen_at > times.stored(idle_since),
        )
    )
    if locked:
        query = query.with_for_update(read=True, key_share=True, of=operator_sessions)
    row = transaction.execute(query).one_or_none()
    return None if row is None else (_loaded(row), times.loaded(row.last_seen_at))


def _standing(transaction: Connection, row: Any) -> OperatorStanding:
    factor = factors.find(transaction, row.id)
    return OperatorStanding(
        _loaded(row),
        row.password_hash is not None and factor is not None and factor.enabled,
        factors.recovery_codes_left(transaction, row.id),
        None if row.at is None else times.loaded(row.at),
    )


def _loaded(row: Any) -> Operator:
    return Operator(row.id, row.email, times.loaded(row.created_at), row.password_hash)
