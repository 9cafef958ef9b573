"""Sessions, by the hashes of their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from appliance.model.organization import Member, Role
from appliance.store import people, times
from appliance.store.schema import members
from appliance.store.schema import sessions as _table

_ID_DIGITS = 16
_LONGEST_AGENT = 200

# Read with every request, and so built once: building costs as much as executing.
_BY_SESSION = (
    select(members, _table.c.last_seen_at)
    .join(_table, _table.c.member_id == members.c.id)
    .where(
        _table.c.token_hash == bindparam("token"),
        _table.c.expires_at > bindparam("now"),
        _table.c.last_seen_at > bindparam("idle_since"),
    )
)


# Read with every change. Who changes the session's use meanwhile need not wait, who ends it does.
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
# Written with every sign-up and log-in.
_CREATE = insert(_table)
_FORGET_ENDED = delete(_table).where(
    (_table.c.expires_at <= bindparam("now")) | (_table.c.last_seen_at <= bindparam("idle_since"))
)


@dataclass(frozen=True)
class Device:
    """What a session was opened from, as far as it was told.

    Attributes:
        address: of the network.
        agent: what the program says of itself (``User-Agent``): a hint, and not to be trusted.
    """

    address: str
    agent: str


@dataclass(frozen=True)
class StoredSession:
    """A session that has not ended."""

    token_hash: str
    device: Device
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def id_of(token_hash: str) -> str:
    """A name for the session. It is a part of a hash of what nobody can guess, so it gives nothing away."""
    return token_hash[:_ID_DIGITS]


def create(
    transaction: Connection, member_id: str, token_hash: str, device: Device, now: datetime, until: datetime
) -> None:
    """Stores a session under its token's hash."""
    transaction.execute(
        _CREATE,
        {
            "token_hash": token_hash,
            "member_id": member_id,
            "address": device.address,
            "agent": "".join(letter for letter in device.agent if letter.isprintable())[:_LONGEST_AGENT],
            "created_at": times.stored(now),
            "last_seen_at": times.stored(now),
            "expires_at": times.stored(until),
        },
    )


def find(
    transaction: Connection, token_hash: str, now: datetime, idle_since: datetime
) -> tuple[Member, datetime] | None:
    """Whose session this is and when it was last used, unless it ended, or nobody used it since ``idle_since``."""
    wanted = {"token": token_hash, "now": times.stored(now), "idle_since": times.stored(idle_since)}
    row = transaction.execute(_BY_SESSION, wanted).one_or_none()
    return None if row is None else (people.loaded(row), times.loaded(row.last_seen_at))


def role_of(
    transaction: Connection, token_hash: str, now: datetime, idle_since: datetime, *, locked: bool
) -> Role | None:
    """The role of whoever holds this session, unless it ended.

    Args:
        locked: whether nobody ends it before the transaction does, also where the database takes several writers.
    """
    wanted = {"token": token_hash, "now": times.stored(now), "idle_since": times.stored(idle_since)}
    role = transaction.execute(_ROLE_LOCKED if locked else _ROLE, wanted).scalar_one_or_none()
    return None if role is None else Role(role)


def of_member(transaction: Connection, member_id: str, now: datetime, idle_since: datetime) -> list[StoredSession]:
    """Every session of this member that has not ended, the one last used first."""
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
            Device(row.address, row.agent),
            times.loaded(row.created_at),
            times.loaded(row.last_seen_at),
            times.loaded(row.expires_at),
        )
        for row in rows
    ]


def touch(transaction: Connection, token_hash: str, now: datetime) -> None:
    """Notes that the session is in use."""
    transaction.execute(update(_table).where(_table.c.token_hash == token_hash).values(last_seen_at=times.stored(now)))


def close(transaction: Connection, token_hash: str) -> None:
    """Ends the session of this token."""
    transaction.execute(delete(_table).where(_table.c.token_hash == token_hash))


def end(transaction: Connection, member_id: str, session_id: str) -> bool:
    """Ends the session of this name, if the member has one."""
    ended = transaction.execute(
        delete(_table).where(
            _table.c.member_id == member_id, func.substr(_table.c.token_hash, 1, _ID_DIGITS) == session_id
        )
    )
    return ended.rowcount > 0


def end_all(transaction: Connection, member_id: str, but: str | None = None) -> int:
    """Ends every session of this member, except perhaps that of one token's hash; tells how many there were."""
    ending = delete(_table).where(_table.c.member_id == member_id)
    if but is not None:
        ending = ending.where(_table.c.token_hash != but)
    return transaction.execute(ending).rowcount


def keep_latest(transaction: Connection, member_id: str, count: int) -> None:
    """Ends the sessions of this member but so many, those that were used last."""
    kept = (
        select(_table.c.token_hash)
        .where(_table.c.member_id == member_id)
        .order_by(_table.c.last_seen_at.desc(), _table.c.created_at.desc())
    )
    beyond = transaction.execute(kept.offset(count)).scalars().all()
    if beyond:
        transaction.execute(delete(_table).where(_table.c.token_hash.in_(beyond)))


def end_all_of(transaction: Connection, organization_id: str) -> None:
    """Ends the sessions of everybody in the organization."""
    theirs = select(members.c.id).where(members.c.organization_id == organization_id)
    transaction.execute(delete(_table).where(_table.c.member_id.in_(theirs)))


def forget_ended(transaction: Connection, now: datetime, idle_since: datetime) -> None:
    """Removes sessions that have ended."""
    transaction.execute(_FORGET_ENDED, {"now": times.stored(now), "idle_since": times.stored(idle_since)})
