"""Identity of the instance, with the lock of its unlock secret."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from appliance.model.errors import Unavailable
from appliance.model.ids import INSTANCE_ID
from appliance.model.port_ranges import HIGHEST_PORT
from appliance.store.schema import instance
from appliance.vault import Lock

_RETRY_AFTER = 60


@dataclass(frozen=True)
class Instance:
    """Identity of a data folder.

    Attributes:
        port: public UDP port in configurations; None before the first start.
    """

    id: str
    lock: Lock
    port: int | None = None


def find(transaction: Connection, *, locked: bool = False) -> Instance | None:
    """The instance of this store; None if the store is new.

    Args:
        locked: lock the row until the transaction ends.

    Raises:
        Unavailable: the id or the port is invalid. They are checked because root uses them in paths and names.
    """
    row = transaction.execute(select(instance).with_for_update() if locked else select(instance)).one_or_none()
    if row is None:
        return None
    if not re.fullmatch(INSTANCE_ID, row.id) or not (row.port is None or 1 <= row.port <= HIGHEST_PORT):
        raise Unavailable("The store's instance has an invalid id or port.", retry_after=_RETRY_AFTER)
    return Instance(row.id, Lock(row.salt, row.cost, row.block_size, row.parallelism, row.proof), row.port)


def create(transaction: Connection, new: Instance) -> None:
    """Store the identity in a new store."""
    transaction.execute(insert(instance).values(id=new.id, **_columns(new.lock)))


def replace_lock(transaction: Connection, lock: Lock) -> None:
    """Replace the lock by that of another unlock secret."""
    transaction.execute(update(instance).values(**_columns(lock)))


def choose_port(transaction: Connection, port: int) -> None:
    """Store the public UDP port for configurations."""
    transaction.execute(update(instance).values(port=port))


def operators_key(transaction: Connection) -> bytes | None:
    """Sealed data key of operators' secrets; None before the first one."""
    return transaction.execute(select(instance.c.operators_key)).scalar_one_or_none()


def replace_operators_key(transaction: Connection, sealed: bytes) -> None:
    """Store the sealed data key of operators' secrets."""
    transaction.execute(update(instance).values(operators_key=sealed))


def _columns(lock: Lock) -> dict[str, object]:
    return {
        "salt": lock.salt,
        "cost": lock.cost,
        "block_size": lock.block_size,
        "parallelism": lock.parallelism,
        "proof": lock.proof,
    }
