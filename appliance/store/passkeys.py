"""Passkeys, and the challenges that they sign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from appliance.model.errors import Conflict
from appliance.store import times
from appliance.store.schema import challenges
from appliance.store.schema import passkeys as _table


@dataclass(frozen=True)
class Passkey:
    """Public key of a member's authenticator.

    Attributes:
        id: chosen by this service.
        credential_id: chosen by the authenticator.
        public_key: in COSE.
        sign_count: the authenticator's signature counter at the last use; always 0 if it has none.
        last_used_at: None if it was not used since it was added.
    """

    id: str
    member_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: datetime
    last_used_at: datetime | None = None


def create(transaction: Connection, passkey: Passkey) -> None:
    """Store a new passkey.

    Raises:
        Conflict: a member has added it already.
    """
    try:
        transaction.execute(
            insert(_table).values(
                id=passkey.id,
                member_id=passkey.member_id,
                credential_id=passkey.credential_id,
                public_key=passkey.public_key,
                sign_count=passkey.sign_count,
                name=passkey.name,
                created_at=times.stored(passkey.created_at),
                last_used_at=None,
            )
        )
    except IntegrityError as error:
        raise Conflict("This passkey was added already.") from error


def of_member(transaction: Connection, member_id: str) -> list[Passkey]:
    """All passkeys of a member, oldest first."""
    rows = transaction.execute(
        select(_table).where(_table.c.member_id == member_id).order_by(_table.c.created_at, _table.c.id)
    )
    return [_loaded(row) for row in rows]


def by_credential(transaction: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey with the authenticator's id, if there is one."""
    row = transaction.execute(select(_table).where(_table.c.credential_id == credential_id)).one_or_none()
    return None if row is None else _loaded(row)


def note_use(transaction: Connection, passkey: Passkey, sign_count: int, now: datetime) -> bool:
    """Store a use of a passkey; false if it was removed or used by another request meanwhile."""
    used = transaction.execute(
        update(_table)
        .where(_table.c.id == passkey.id, _table.c.sign_count == passkey.sign_count)
        .values(sign_count=sign_count, last_used_at=times.stored(now))
    )
    return used.rowcount == 1


def rename(transaction: Connection, member_id: str, passkey_id: str, name: str) -> str | None:
    """Rename a passkey; returns its former name, or None if the member has no such passkey."""
    condition = (_table.c.member_id == member_id) & (_table.c.id == passkey_id)
    before = transaction.execute(select(_table.c.name).where(condition)).scalar_one_or_none()
    if before is not None:
        transaction.execute(update(_table).where(condition).values(name=name))
    return before


def remove(transaction: Connection, member_id: str, passkey_id: str) -> str | None:
    """Remove a passkey; returns its name, or None if the member has no such passkey."""
    condition = (_table.c.member_id == member_id) & (_table.c.id == passkey_id)
    name = transaction.execute(select(_table.c.name).where(condition)).scalar_one_or_none()
    if name is not None:
        transaction.execute(delete(_table).where(condition))
    return name


def remove_all(transaction: Connection, member_id: str) -> int:
    """Remove all passkeys of a member; returns their number."""
    return transaction.execute(delete(_table).where(_table.c.member_id == member_id)).rowcount


def challenge(transaction: Connection, challenge_hash: str, holder_hash: str, now: datetime, until: datetime) -> None:
    """Store a challenge, and remove expired ones.

    Args:
        holder_hash: hash of the token that the challenge is bound to.
    """
    transaction.execute(delete(challenges).where(challenges.c.expires_at <= times.stored(now)))
    transaction.execute(
        insert(challenges).values(
            challenge_hash=challenge_hash, holder_hash=holder_hash, expires_at=times.stored(until)
        )
    )


def take_challenge(transaction: Connection, challenge_hash: str, holder_hash: str, now: datetime) -> bool:
    """Use up a challenge; false if this holder has no such challenge."""
    taken = transaction.execute(
        delete(challenges).where(
            challenges.c.challenge_hash == challenge_hash,
            challenges.c.holder_hash == holder_hash,
            challenges.c.expires_at > times.stored(now),
        )
    )
    return taken.rowcount == 1


def _loaded(row: Any) -> Passkey:
    return Passkey(
        row.id,
        row.member_id,
        bytes(row.credential_id),
        bytes(row.public_key),
        row.sign_count,
        row.name,
        times.loaded(row.created_at),
        None if row.last_used_at is None else times.loaded(row.last_used_at),
    )
