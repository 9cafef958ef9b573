"""Rows of sessions under the hashes of their tokens, for members and operators alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Integer, Table, bindparam, delete, insert, select, update

from appliance.store import times

_LONGEST_AGENT = 200


@dataclass(frozen=True)
class ClientDevice:
    """Origin of a session; its fields may be empty.

    Attributes:
        address: IP address.
        agent: the ``User-Agent`` header, which can't be trusted.
    """

    address: str
    agent: str


class SessionTable:
    """Operations on a table of sessions.

    Args:
        table: with the columns of `schema.sessions`, apart from the holder's.
        holder: the column with the id of the account.
    """

    def __init__(self, table: Table, holder: Column[str]) -> None:
        self._table = table
        self._holder = holder
        self._create = insert(table)
        self._beyond = (
            select(table.c.token_hash)
            .where(holder == bindparam("holder"))
            .order_by(table.c.last_seen_at.desc(), table.c.created_at.desc())
            .offset(bindparam("count", type_=Integer))
        )
        self._forget_ended = delete(table).where(
            (table.c.expires_at <= bindparam("now")) | (table.c.last_seen_at <= bindparam("idle_since"))
        )

    def create(
        self,
        transaction: Connection,
        holder: str,
        token_hash: str,
        device: ClientDevice,
        now: datetime,
        until: datetime,
    ) -> None:
        """Store a session under its token's hash."""
        transaction.execute(
            self._create,
            {
                "token_hash": token_hash,
                self._holder.name: holder,
                "address": device.address,
                "agent": "".join(letter for letter in device.agent if letter.isprintable())[:_LONGEST_AGENT],
                "created_at": times.stored(now),
                "last_seen_at": times.stored(now),
                "expires_at": times.stored(until),
            },
        )

    def touch(self, transaction: Connection, token_hash: str, now: datetime) -> None:
        """Store the time of the session's last use."""
        table = self._table
        transaction.execute(
            update(table).where(table.c.token_hash == token_hash).values(last_seen_at=times.stored(now))
        )

    def close(self, transaction: Connection, token_hash: str) -> None:
        """End the session of this token's hash."""
        transaction.execute(delete(self._table).where(self._table.c.token_hash == token_hash))

    def end_all(self, transaction: Connection, holder: str, but: str | None = None) -> int:
        """End all sessions of the account, apart from one token's if given; returns their number."""
        ending = delete(self._table).where(self._holder == holder)
        if but is not None:
            ending = ending.where(self._table.c.token_hash != but)
        return transaction.execute(ending).rowcount

    def keep_latest(self, transaction: Connection, holder: str, count: int) -> None:
        """End the account's sessions apart from the ``count`` that were used last."""
        beyond = transaction.execute(self._beyond, {"holder": holder, "count": count}).scalars().all()
        if beyond:
            transaction.execute(delete(self._table).where(self._table.c.token_hash.in_(beyond)))

    def forget_ended(self, transaction: Connection, now: datetime, idle_since: datetime) -> None:
        """Remove sessions that have ended, or were not used since ``idle_since``."""
        transaction.execute(self._forget_ended, {"now": times.stored(now), "idle_since": times.stored(idle_since)})
