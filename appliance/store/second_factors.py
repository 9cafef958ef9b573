"""Second factors: sealed secrets of one-time codes, and hashed recovery codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from appliance.store import times
from appliance.store.schema import recovery_codes, second_factors


@dataclass(frozen=True)
class SecondFactor:
    """A member's second factor.

    Attributes:
        last_step: time step of the last accepted code; codes of this and earlier steps are refused.
        enabled: false until the member has given a first code.
    """

    sealed_secret: bytes
    last_step: int
    enabled: bool


def propose(transaction: Connection, member_id: str, sealed_secret: bytes) -> None:
    """Replace the member's second factor by a secret that is not enabled yet."""
    remove(transaction, member_id)
    transaction.execute(
        insert(second_factors).values(member_id=member_id, sealed_secret=sealed_secret, last_step=0, enabled_at=None)
    )


def find(transaction: Connection, member_id: str) -> SecondFactor | None:
    """The member's second factor, enabled or not."""
    row = transaction.execute(select(second_factors).where(second_factors.c.member_id == member_id)).one_or_none()
    return None if row is None else SecondFactor(row.sealed_secret, row.last_step, row.enabled_at is not None)


def enable(transaction: Connection, member_id: str, now: datetime) -> None:
    transaction.execute(
        update(second_factors).where(second_factors.c.member_id == member_id).values(enabled_at=times.stored(now))
    )


def use_step(transaction: Connection, member_id: str, sealed_secret: bytes, step: int) -> bool:
    """Accept the code of a time step; false if the step was used already, or the secret was replaced."""
    used = transaction.execute(
        update(second_factors)
        .where(
            second_factors.c.member_id == member_id,
            second_factors.c.sealed_secret == sealed_secret,
            second_factors.c.last_step < step,
        )
        .values(last_step=step)
    )
    return used.rowcount == 1


def remove(transaction: Connection, member_id: str) -> None:
    """Remove the member's second factor and recovery codes."""
    transaction.execute(delete(second_factors).where(second_factors.c.member_id == member_id))
    transaction.execute(delete(recovery_codes).where(recovery_codes.c.member_id == member_id))


def drop_proposal(transaction: Connection, member_id: str) -> None:
    """Remove the member's secret if it is not enabled."""
    transaction.execute(
        delete(second_factors).where(second_factors.c.member_id == member_id, second_factors.c.enabled_at.is_(None))
    )


def replace_recovery_codes(transaction: Connection, member_id: str, hashes: Iterable[str]) -> None:
    transaction.execute(delete(recovery_codes).where(recovery_codes.c.member_id == member_id))
    transaction.execute(
        insert(recovery_codes), [{"member_id": member_id, "code_hash": code_hash} for code_hash in hashes]
    )


def recovery_codes_left(transaction: Connection, member_id: str) -> int:
    """Number of the member's unused recovery codes."""
    return transaction.execute(
        select(func.count()).select_from(recovery_codes).where(recovery_codes.c.member_id == member_id)
    ).scalar_one()


def has_recovery_code(transaction: Connection, member_id: str, code_hash: str) -> bool:
    """True if the member has this recovery code, unused."""
    query = select(recovery_codes.c.member_id).where(
        recovery_codes.c.member_id == member_id, recovery_codes.c.code_hash == code_hash
    )
    return transaction.execute(query).one_or_none() is not None


def use_recovery_code(transaction: Connection, member_id: str, code_hash: str) -> bool:
    """Use up a recovery code; false if the member doesn't have it."""
    used = transaction.execute(
        delete(recovery_codes).where(recovery_codes.c.member_id == member_id, recovery_codes.c.code_hash == code_hash)
    )
    return used.rowcount == 1
