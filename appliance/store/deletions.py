"""Deletions of organizations: unfinished ones, and records of finished ones.

An organization whose deletion has begun has no keys, and its members have no access. Its rows stay until the deletion
is finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    """An organization that is to be deleted.

    Attributes:
        revision: of its desired state; another one once rows of it are removed.
        keys: its sealed data key and private key; None once the deletion has begun.
        lock: salt of the unlock secret's lock, which shows a later change of the secret.
    """

    id: str
    name: str
    revision: int
    keys: tuple[bytes, bytes] | None
    lock: bytes | None


@dataclass(frozen=True)
class Tombstone:
    """Record of a finished deletion, without the organization's name and id.

    Attributes:
        actor: role of the person who deleted it, or "service" for an interrupted deletion that was finished later.
        removed: number of its rows by table, without those that were removed before the deletion was interrupted.
    """

    at: datetime
    actor: str
    removed: Mapping[str, int]


def find_locked(transaction: Connection, organization_id: str) -> DeletionTarget | None:
    """Find an organization, also one whose deletion has begun, and lock its row until the transaction ends."""
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
    return DeletionTarget(row.id, row.name, row.revision, keys, _lock(transaction))


def begin(transaction: Connection, doomed: DeletionTarget, at: datetime) -> DeletionTarget:
    """Destroy the organization's keys and end all access to it; returns the target with its new revision."""
    # A new one makes concurrent changes of this organization fail. An earlier call for this deletion can still undo it.
    begun = doomed if doomed.keys is None else replace(doomed, revision=new_revision())
    transaction.execute(
        update(_organizations)
        .where(_organizations.c.id == doomed.id)
        .values(
            active=False,
            deleting_since=times.stored(at),
            sealed_data_key=b"",
            sealed_private_key=b"",
            revision=begun.revision,
        )
    )
    return begun


def revert(transaction: Connection, doomed: DeletionTarget) -> bool:
    """Undo `begin`; false if rows of the organization are gone, or the unlock secret has changed since."""
    if doomed.keys is None or doomed.lock != _lock(transaction):
        return False
    data_key, private_key = doomed.keys
    restored = transaction.execute(
        update(_organizations)
        .where(
            _organizations.c.id == doomed.id,
            _organizations.c.deleting_since.is_not(None),
            _organizations.c.revision == doomed.revision,
        )
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
    """Ids of organizations whose deletion has begun (optionally until a time) and is not finished."""
    query = select(_organizations.c.id).where(_organizations.c.deleting_since.is_not(None))
    if until is not None:
        query = query.where(_organizations.c.deleting_since <= times.stored(until))
    return transaction.execute(query).scalars().all()


def finish(transaction: Connection, tombstone: Tombstone) -> None:
    """Store that a deletion is finished, apart from scrubbing the files."""
    transaction.execute(
        insert(_deletions).values(
            at=times.stored(tombstone.at), actor=tombstone.actor, removed=dict(tombstone.removed), scrubbed=False
        )
    )


def all_scrubbed(transaction: Connection) -> bool:
    """True if the files are scrubbed of all finished deletions."""
    unfinished = select(_deletions.c.id).where(_deletions.c.scrubbed.is_(False)).limit(1)
    return transaction.execute(unfinished).first() is None


def note_scrubbed(transaction: Connection, until: datetime) -> None:
    """Store that the files are scrubbed of deletions finished until a time."""
    transaction.execute(update(_deletions).where(_deletions.c.at <= times.stored(until)).values(scrubbed=True))


def tombstones(transaction: Connection) -> list[Tombstone]:
    """Records of all finished deletions, oldest first."""
    return [_loaded(row) for row in transaction.execute(select(_deletions).order_by(_deletions.c.id))]


def _lock(transaction: Connection) -> bytes | None:
    return transaction.execute(select(_instance.c.salt)).scalar_one_or_none()


def _loaded(row: Any) -> Tombstone:
    return Tombstone(times.loaded(row.at), row.actor, row.removed)
