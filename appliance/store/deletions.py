"""Deletions of organizations: those that have begun, and what is known of those that are over.

An organization whose deletion has begun has no keys and is nobody's any more; its rows are there until it is finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from appliance.model.ids import new_revision
from appliance.store import times
from appliance.store.schema import deletions as _deletions
from appliance.store.schema import instance as _instance
from appliance.store.schema import organizations as _organizations


@dataclass(frozen=True)
class DeletionTarget:
    """An organization that is about to be deleted, or being so.

    Attributes:
        keys: its sealed data key and private key; none where the deletion has begun.
        lock: tells the unlock secret that they are sealed under from any other.
    """

    id: str
    name: str
    keys: tuple[bytes, bytes] | None
    lock: bytes | None


@dataclass(frozen=True)
class Tombstone:
    """What is left of an organization: that there was one. Neither its name nor its id is.

    Attributes:
        actor: the role of who deleted it, or "service" where an interrupted deletion was finished.
        removed: how many rows each table had for it.
    """

    at: datetime
    actor: str
    removed: Mapping[str, int]


def find_locked(transaction: Connection, organization_id: str) -> DeletionTarget | None:
    """The organization, whether or not its deletion has begun; nobody else changes it in this transaction."""
    row = transaction.execute(
        select(_organizations)
        .where(
            _organizations.c.id == organization_id,
            _organizations.c.active | _organizations.c.deleting_since.is_not(None),
        )
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    keys = (row.sealed_data_key, row.sealed_private_key) if row.active else None
    return DeletionTarget(row.id, row.name, keys, _lock(transaction))


def begin(transaction: Connection, organization_id: str, at: datetime) -> None:
    """Destroys its keys, and takes the organization from everybody."""
    transaction.execute(
        update(_organizations)
        .where(_organizations.c.id == organization_id)
        .values(
            active=False,
            deleting_since=times.stored(at),
            sealed_data_key=b"",
            sealed_private_key=b"",
            # A change that is under way is none of this organization any more.
            revision=new_revision(),
        )
    )


def revert(transaction: Connection, doomed: DeletionTarget) -> bool:
    """The organization as it was before `begin`: if it is still there, and if its keys can still be opened."""
    if doomed.keys is None or doomed.lock != _lock(transaction):
        return False
    data_key, private_key = doomed.keys
    restored = transaction.execute(
        update(_organizations)
        .where(_organizations.c.id == doomed.id, _organizations.c.deleting_since.is_not(None))
        .values(
            active=True,
            deleting_since=None,
            sealed_data_key=data_key,
            sealed_private_key=private_key,
            revision=new_revision(),
        )
    )
    return restored.rowcount == 1


def unfinished(transaction: Connection, until: datetime | None = None) -> Sequence[str]:
    """Organizations whose deletion has begun, until some moment if one is given, and is not finished."""
    wanted = select(_organizations.c.id).where(_organizations.c.deleting_since.is_not(None))
    if until is not None:
        wanted = wanted.where(_organizations.c.deleting_since <= times.stored(until))
    return transaction.execute(wanted).scalars().all()


def finish(transaction: Connection, tombstone: Tombstone) -> None:
    """The deletion is finished, but for what the files still have of it."""
    transaction.execute(
        insert(_deletions).values(
            at=times.stored(tombstone.at), actor=tombstone.actor, removed=dict(tombstone.removed), scrubbed=False
        )
    )


def all_scrubbed(transaction: Connection) -> bool:
    """Whether the files have nothing of what was deleted."""
    unfinished = select(_deletions.c.id).where(_deletions.c.scrubbed.is_(False)).limit(1)
    return transaction.execute(unfinished).first() is None


def note_scrubbed(transaction: Connection, until: datetime) -> None:
    """The files have nothing of what was deleted until then."""
    transaction.execute(update(_deletions).where(_deletions.c.at <= times.stored(until)).values(scrubbed=True))


def tombstones(transaction: Connection) -> list[Tombstone]:
    """Every deletion that is finished, oldest first."""
    return [_loaded(row) for row in transaction.execute(select(_deletions).order_by(_deletions.c.id))]


def _lock(transaction: Connection) -> bytes | None:
    return transaction.execute(select(_instance.c.salt)).scalar_one_or_none()


def _loaded(row: Any) -> Tombstone:
    return Tombstone(times.loaded(row.at), row.actor, row.removed)
