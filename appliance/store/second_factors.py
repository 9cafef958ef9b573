"""Second factors: sealed secrets of one-time codes, and hashes of recovery codes."""

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
        last_step: the step of the last code that was taken; no code of it or of an earlier one is taken any more.
        enabled: whether it is asked for; before, its owner has not shown a code yet.
    """

    sealed_secret: bytes
    last_step: int
    enabled: bool


def propose(transaction: Connection, member_id: str, sealed_secret: bytes) -> None:
    """A secret that is not asked for yet, in the place of whatever the member has."""
    remove(transaction, member_id)
    transaction.execute(
        insert(second_factors).values(member_id=member_id, sealed_secret=sealed_secret, last_step=0, enabled_at=None)
    )


def find(transaction: Connection, member_id: str) -> SecondFactor | None:
    """What the member has, whether it is enabled or not."""
    row = transaction.execute(select(second_factors).where(second_factors.c.member_id == member_id)).one_or_none()
    return None if row is None else SecondFactor(row.sealed_secret, row.last_step, row.enabled_at is not None)


def enable(transaction: Connection, member_id: str, now: datetime) -> None:
    """It is asked for from now on."""
    transaction.execute(
        update(second_factors).where(second_factors.c.member_id == member_id).values(enabled_at=times.stored(now))
    )


def use_step(transaction: Connection, member_id: str, sealed_secret: bytes, step: int) -> bool:
    """Takes the code of a step; False where it was taken already, or the secret is another one by now."""
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
    """The member has none, and no recovery codes either."""
    transaction.execute(delete(second_factors).where(second_factors.c.member_id == member_id))
    transaction.execute(delete(recovery_codes).where(recovery_codes.c.member_id == member_id))


def drop_proposal(transaction: Connection, member_id: str) -> None:
    """A secret that its owner has not shown a code of is none any more."""
    transaction.execute(
        delete(second_factors).where(second_factors.c.member_id == member_id, second_factors.c.enabled_at.is_(None))
    )


def replace_recovery_codes(transaction: Connection, member_id: str, hashes: Iterable[str]) -> None:
    """These and no others."""
    transaction.execute(delete(recovery_codes).where(recovery_codes.c.member_id == member_id))
    transaction.execute(
        insert(recovery_codes), [{"member_id": member_id, "code_hash": code_hash} for code_hash in hashes]
    )


def recovery_codes_left(transaction: Connection, member_id: str) -> int:
    """How many were not used yet."""
    return transaction.execute(
        select(func.count()).select_from(recovery_codes).where(recovery_codes.c.member_id == member_id)
    ).scalar_one()


def has_recovery_code(transaction: Connection, member_id: str, code_hash: str) -> bool:
    """Whether this one was not used yet."""
    found = select(recovery_codes.c.member_id).where(
        recovery_codes.c.member_id == member_id, recovery_codes.c.code_hash == code_hash
    )
    return transaction.execute(found).one_or_none() is not None


def use_recovery_code(transaction: Connection, member_id: str, code_hash: str) -> bool:
    """Takes a recovery code; False where there is no such one."""
    used = transaction.execute(
        delete(recovery_codes).where(recovery_codes.c.member_id == member_id, recovery_codes.c.code_hash == code_hash)
    )
    return used.rowcount == 1
