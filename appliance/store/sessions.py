"""Sessions, stored under the hashes of their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select

from appliance.model.organization import Member, Role
from appliance.store import people, times
from appliance.store.schema import members
from appliance.store.schema import sessions as _table
from appliance.store.session_table import ClientDevice, SessionTable

_ID_DIGITS = 16

_BY_SESSION = (
    select(members, _table.c.last_seen_at)
    .join(_table, _table.c.member_id == members.c.id)
    .where(
        _table.c.token_hash == bindparam("token"),
        _table.c.expires_at > bindparam("now"),
        _table.c.last_seen_at > bindparam("idle_since"),
    )
)

# Runs with every change. The lock lets others update the session's last use, and makes its end wait.
_ROLE = (
    select(members.c.role)
    .join(_table, _table.c.member_id == members.c.id)
    .where(
        _table.c.token_hash == bindparam("token"),
        _table.c.expires_at > bindparam("now"),
        _table.c.last_seen_at > bindparam("idle_since"),
    )
)
_ROLE_LOCKED = _ROLE.with_for_update(read=True, key_share=True, of=_table)

_rows = SessionTable(_table, _table.c.member_id)
create = _rows.create
touch = _rows.touch
close = _rows.close
end_all = _rows.end_all
keep_latest = _rows.keep_latest
forget_ended = _rows.forget_ended


@dataclass(frozen=True)
class StoredSession:
    """A session that has not ended."""

    token_hash: str
    device: ClientDevice
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def id_of(token_hash: str) -> str:
    """Id of the session: a part of the hash of a random token, which gives nothing away."""
    return token_hash[:_ID_DIGITS]


def find(
    transaction: Connection, token_hash: str, now: datetime, idle_since: datetime
) -> tuple[Member, datetime] | None:
    """Member and last use of a session; None if it ended or was not used since ``idle_since``."""
    parameters = {"token": token_hash, "now": times.stored(now), "idle_since": times.stored(idle_since)}
    row = transaction.execute(_BY_SESSION, parameters).one_or_none()
    return None if row is None else (people.loaded(row), times.loaded(row.last_seen_at))


def role_of(
    transaction: Connection, token_hash: str, now: datetime, idle_since: datetime, *, locked: bool
) -> Role | None:
    """Role of the session's member; None if the session ended.

    Args:
        locked: hold off its end until the transaction ends, also on PostgreSQL.
    """
    parameters = {"token": token_hash, "now": times.stored(now), "idle_since": times.stored(idle_since)}
    role = transaction.execute(_ROLE_LOCKED if locked else _ROLE, parameters).scalar_one_or_none()
    return None if role is None else Role(role)


def of_member(transaction: Connection, member_id: str, now: datetime, idle_since: datetime) -> list[StoredSession]:
    """The member's sessions that have not ended, the last used first."""
    rows = transaction.execute(
        select(_table)
        .where(
            _table.c.member_id == member_id,
            _table.c.expires_at > times.stored(now),
            _table.c.last_seen_at > times.stored(idle_since),
        )
        .order_by(_table.c.last_seen_at.desc(), _table.c.token_hash)
    )
    return [
        StoredSession(
            row.token_hash,
            ClientDevice(row.address, row.agent),
            times.loaded(row.created_at),
            times.loaded(row.last_seen_at),
            times.loaded(row.expires_at),
        )
        for row in rows
    ]


def end(transaction: Connection, member_id: str, session_id: str) -> bool:
    """End the member's session of this id; false if there is none."""
    ended = transaction.execute(
        delete(_table).where(
            _table.c.member_id == member_id, func.substr(_table.c.token_hash, 1, _ID_DIGITS) == session_id
        )
    )
    return ended.rowcount > 0


def end_all_of(transaction: Connection, organization_id: str) -> None:
    theirs = select(members.c.id).where(members.c.organization_id == organization_id)
    transaction.execute(delete(_table).where(_table.c.member_id.in_(theirs)))
