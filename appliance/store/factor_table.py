"""Second factors of members and operators alike: sealed secrets of one-time codes, and hashed recovery codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from appliance.store import times


@dataclass(frozen=True)
class SecondFactor:
    """Second factor of an account.

    Attributes:
        last_step: time step of the last accepted code; codes of this and earlier steps are refused.
        enabled: false until a first code was given.
    """

    sealed_secret: bytes
    last_step: int
    enabled: bool


class FactorTable:
    """Operations on a table of second factors and the table of their recovery codes.

    Args:
        factors: with the columns of `schema.second_factors`, apart from the holder's.
        codes: with the columns of `schema.recovery_codes`, apart from the holder's.
        holder: name of the column with the id of the account, in both tables.
    """

    def __init__(self, factors: Table, codes: Table, holder: str) -> None:
        self._factors = factors
        self._codes = codes
        self._name = holder
        self._holder = factors.c[holder]
        self._holder_of_code = codes.c[holder]

    def propose(self, transaction: Connection, holder: str, sealed_secret: bytes) -> None:
        """Replace the account's second factor by a secret that is not enabled yet."""
        self.remove(transaction, holder)
        transaction.execute(
            insert(self._factors).values(
                {self._name: holder, "sealed_secret": sealed_secret, "last_step": 0, "enabled_at": None}
            )
        )

    def find(self, transaction: Connection, holder: str) -> SecondFactor | None:
        """The account's second factor, enabled or not."""
        row = transaction.execute(select(self._factors).where(self._holder == holder)).one_or_none()
        return None if row is None else SecondFactor(row.sealed_secret, row.last_step, row.enabled_at is not None)

    def enable(self, transaction: Connection, holder: str, now: datetime) -> None:
        """Turn the proposed secret on."""
        transaction.execute(update(self._factors).where(self._holder == holder).values(enabled_at=times.stored(now)))

    def use_step(self, transaction: Connection, holder: str, sealed_secret: bytes, step: int) -> bool:
        """Accept the code of a time step; false if the step was used already, or the secret was replaced."""
        table = self._factors
        used = transaction.execute(
            update(table)
            .where(self._holder == holder, table.c.sealed_secret == sealed_secret, table.c.last_step < step)
            .values(last_step=step)
        )
        return used.rowcount == 1

    def remove(self, transaction: Connection, holder: str) -> None:
        """Remove the account's second factor and recovery codes."""
        transaction.execute(delete(self._factors).where(self._holder == holder))
        transaction.execute(delete(self._codes).where(self._holder_of_code == holder))

    def drop_proposal(self, transaction: Connection, holder: str) -> None:
        """Remove the account's secret if it is not enabled."""
        transaction.execute(delete(self._factors).where(self._holder == holder, self._factors.c.enabled_at.is_(None)))

    def replace_recovery_codes(self, transaction: Connection, holder: str, hashes: Iterable[str]) -> None:
        """Replace the account's recovery codes."""
        transaction.execute(delete(self._codes).where(self._holder_of_code == holder))
        transaction.execute(insert(self._codes), [{self._name: holder, "code_hash": code_hash} for code_hash in hashes])

    def recovery_codes_left(self, transaction: Connection, holder: str) -> int:
        """Number of the account's unused recovery codes."""
        return transaction.execute(
            select(func.count()).select_from(self._codes).where(self._holder_of_code == holder)
        ).scalar_one()

    def has_recovery_code(self, transaction: Connection, holder: str, code_hash: str) -> bool:
        """True if the account has this recovery code, unused."""
        query = select(self._holder_of_code).where(self._holder_of_code == holder, self._codes.c.code_hash == code_hash)
        return transaction.execute(query).one_or_none() is not None

    def use_recovery_code(self, transaction: Connection, holder: str, code_hash: str) -> bool:
        """Use up a recovery code; false if the account doesn't have it."""
        used = transaction.execute(
            delete(self._codes).where(self._holder_of_code == holder, self._codes.c.code_hash == code_hash)
        )
        return used.rowcount == 1
