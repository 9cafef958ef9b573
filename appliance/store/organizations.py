"""Organizations and their desired states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Network
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from appliance.model.desired import Desired
from appliance.model.ids import new_revision
from appliance.model.organization import Organization, Plan
from appliance.model.policy import Action
from appliance.model.ports import FIRST_PORT, LAST_PORT
from appliance.store import holdings, machines, policies, schema, times
from appliance.vault import SealedKeys

# Arbitrary, and unique among advisory locks.
_PORTS_LOCK = 0x6D657368
_table = schema.organizations
# Each request reads its organization; most of them have the default network.
_network = lru_cache(maxsize=256)(IPv4Network)
# Removed rows of these tables are counted as one kind.
_COUNTED_AS = {"sessions": "tokens", "api_tokens": "tokens"}

_BY_ID = select(_table).where(_table.c.id == bindparam("organization"))
_ACTIVE = _BY_ID.where(_table.c.active)
_ENFORCED = (_table.c.active, _table.c.suspended_at.is_(None))
_LOCKED = _ACTIVE.with_for_update()
_REVISION = select(_table.c.revision, _table.c.shard).where(_table.c.id == bindparam("organization"))
_CREATE = insert(_table)
_TAKEN = select(_table.c.port).where(_table.c.port.in_(bindparam("ports", expanding=True)))
_ACTIVATE = update(_table).where(_table.c.id == bindparam("organization")).values(active=True)
_REVISE = update(_table).where(_table.c.id == bindparam("organization")).values(revision=bindparam("new"))
_NOTE_HEARD = update(_table).where(_table.c.id == bindparam("organization")).values(heard_at=bindparam("at"))


@dataclass(frozen=True)
class Standing:
    """Facts about an organization that the data plane needs.

    Attributes:
        desired: its desired state; None if it is suspended.
        is_active: false while it is being signed up or deleted.
    """

    revision: int
    desired: Desired | None
    is_active: bool


def create(transaction: Connection, organization: Organization, keys: SealedKeys) -> None:
    """Store a new organization, which is not active yet."""
    transaction.execute(
        _CREATE,
        {
            "id": organization.id,
            "name": organization.name,
            "network": str(organization.network),
            "port": organization.port,
            "hub_public_key": keys.public_key,
            "sealed_data_key": keys.sealed_data_key,
            "sealed_private_key": keys.sealed_private_key,
            "plan": organization.plan.value,
            "policy_default": Action.ALLOW.value,
            "policy_version": organization.policy_version,
            "revision": organization.revision,
            "active": False,
            "created_at": times.stored(organization.created_at),
            "shard": organization.shard,
        },
    )


def free_ports(transaction: Connection, count: int) -> list[int]:
    """The lowest UDP ports that no organization has, at most ``count``."""
    taken = set(transaction.execute(select(_table.c.port)).scalars())
    return list(islice((port for port in range(FIRST_PORT, LAST_PORT + 1) if port not in taken), count))


def lowest_free_port(transaction: Connection, ports: Collection[int]) -> int | None:
    """The lowest of these UDP ports that no organization has; None if each is taken."""
    taken = transaction.execute(_TAKEN, {"ports": list(ports)}).scalars()
    return min(set(ports).difference(taken), default=None)


def count_ports(transaction: Connection) -> int:
    """Number of UDP ports that organizations have, also those that are not active yet."""
    return transaction.execute(select(func.count()).select_from(_table)).scalar_one()


def lock_ports(transaction: Connection) -> None:
    """Hold a lock on the choice of ports until the transaction ends; SQLite needs none."""
    if transaction.dialect.name == "postgresql":
        transaction.execute(select(func.pg_advisory_xact_lock(_PORTS_LOCK)))


def activate(transaction: Connection, organization_id: str) -> None:
    """Make an organization active, which opens it to its members."""
    transaction.execute(_ACTIVATE, {"organization": organization_id})


def find(transaction: Connection, organization_id: str) -> Organization | None:
    """The active organization of this id, if there is one."""
    row = transaction.execute(_ACTIVE, {"organization": organization_id}).one_or_none()
    return None if row is None else _loaded(row)


def find_locked(transaction: Connection, organization_id: str) -> Organization | None:
    """Find an active organization and lock its row until the transaction ends."""
    row = transaction.execute(_LOCKED, {"organization": organization_id}).one_or_none()
    return None if row is None else _loaded(row)


def lock_for_people(transaction: Connection, organization_id: str) -> None:
    """Lock an organization's row until the transaction ends, before its people change.

    Every change of people begins so; otherwise two of them could wait for each other forever.
    """
    transaction.execute(_LOCKED, {"organization": organization_id})


def revise(transaction: Connection, organization_id: str, revision: int) -> None:
    transaction.execute(_REVISE, {"organization": organization_id, "new": revision})


def revision(transaction: Connection, organization_id: str, shard: str | None = None) -> int | None:
    """Revision of an organization, also of one that is not active; None if there is no such organization.

    Args:
        shard: an organization of another shard does not count as one; None: all shards.
    """
    row = transaction.execute(_REVISION, {"organization": organization_id}).one_or_none()
    return None if row is None or (shard is not None and row.shard != shard) else row.revision


def change(transaction: Connection, organization_id: str, *, name: str, plan: Plan) -> None:
    """Change the organization's name and plan."""
    transaction.execute(update(_table).where(_table.c.id == organization_id).values(name=name, plan=plan.value))


def remove(transaction: Connection, organization_id: str, most: int | None = None) -> tuple[dict[str, int], bool]:
    """Remove the organization with all its rows, or a portion of them.

    Its sealed keys are overwritten first, which makes all data that is sealed under them unreadable. Its revision
    changes, so that a deletion is not taken back any more.

    Args:
        most: most rows to remove; None removes all.

    Returns:
        Number of removed rows by kind, and False if some are left.
    """
    transaction.execute(
        update(_table)
        .where(_table.c.id == organization_id)
        .values(sealed_data_key=b"", sealed_private_key=b"", revision=new_revision())
    )
    removed: Counter[str] = Counter()
    for table, rows in holdings.remove(transaction, organization_id, most).items():
        removed[_COUNTED_AS.get(table, table)] += rows
    # The organization's own row goes last.
    is_all = removed.pop(_table.name, 0) > 0
    return dict(removed), is_all


def unfinished(transaction: Connection, until: datetime) -> Sequence[str]:
    """Ids of organizations whose sign-up began until a time and was interrupted."""
    query = select(_table.c.id).where(
        _table.c.active.is_(False),
        _table.c.deleting_since.is_(None),
        _table.c.created_at <= times.stored(until),
    )
    return transaction.execute(query).scalars().all()


def enforced_ids(transaction: Connection, shard: str | None = None) -> Sequence[str]:
    """Ids of the organizations that the data plane should have; with a shard, of those of this shard.

    Those whose machines were heard from lately come first.
    """
    latest = func.coalesce(_table.c.heard_at, 0).desc()
    query = select(_table.c.id).where(*_ENFORCED, *_of(shard)).order_by(latest, _table.c.created_at)
    return transaction.execute(query).scalars().all()


def count_enforced(transaction: Connection, shard: str | None = None) -> int:
    """Number of organizations that the data plane should have; with a shard, of those of this shard."""
    query = select(func.count()).select_from(_table).where(*_ENFORCED, *_of(shard))
    return transaction.execute(query).scalar_one()


def note_heard(transaction: Connection, heard: Mapping[str, float]) -> None:
    """Store the times of the latest handshakes of one organization or more, in seconds since the epoch, by id."""
    transaction.execute(_NOTE_HEARD, [{"organization": each, "at": at} for each, at in heard.items()])


def _of(shard: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if shard is None else (_table.c.shard == shard,)


def suspended_ids(transaction: Connection) -> Sequence[str]:
    return transaction.execute(select(_table.c.id).where(_table.c.suspended_at.is_not(None))).scalars().all()


def suspend(transaction: Connection, organization_id: str, since: datetime | None) -> None:
    """Suspend the organization, or with None end its suspension."""
    transaction.execute(
        update(_table)
        .where(_table.c.id == organization_id)
        .values(suspended_at=None if since is None else times.stored(since), revision=new_revision())
    )


def shard(transaction: Connection, organization_id: str) -> str | None:
    """Shard of an organization; None if it is in none, or there is no such organization."""
    row = transaction.execute(_REVISION, {"organization": organization_id}).one_or_none()
    return None if row is None else row.shard


def place_all(transaction: Connection, shard: str) -> None:
    """Put every organization that is in no shard into this one, as the only hub becomes the first of many."""
    transaction.execute(update(_table).where(_table.c.shard.is_(None)).values(shard=shard))


def revisions(transaction: Connection, shard: str | None = None) -> dict[str, int]:
    """Revisions of the active organizations by id; with a shard, of those of this shard."""
    query = select(_table.c.id, _table.c.revision).where(_table.c.active, *_of(shard))
    return {row.id: row.revision for row in transaction.execute(query)}


def names(transaction: Connection, shard: str | None = None) -> dict[str, str]:
    """Names of all organizations by id, including those that are not active; with a shard, of those of this shard."""
    return {row.id: row.name for row in transaction.execute(select(_table.c.id, _table.c.name).where(*_of(shard)))}


def count(transaction: Connection) -> int:
    """Number of active organizations."""
    return transaction.execute(select(func.count()).select_from(_table).where(_table.c.active)).scalar_one()


def lock_all(transaction: Connection) -> None:
    """Lock the rows of all organizations until the transaction ends."""
    transaction.execute(select(_table.c.id).with_for_update())


def sealed_data_keys(transaction: Connection) -> dict[str, bytes]:
    """Sealed data keys by organization, without organizations whose deletion has begun."""
    query = select(_table.c.id, _table.c.sealed_data_key).where(_table.c.deleting_since.is_(None))
    return {row.id: row.sealed_data_key for row in transaction.execute(query)}


def sealed_data_key(transaction: Connection, organization_id: str) -> bytes | None:
    """The organization's sealed data key; None if there is no such organization."""
    return transaction.execute(
        select(_table.c.sealed_data_key).where(_table.c.id == organization_id)
    ).scalar_one_or_none()


def replace_data_key(transaction: Connection, organization_id: str, sealed: bytes) -> None:
    """Replace the organization's sealed data key, and change its revision."""
    transaction.execute(
        update(_table).where(_table.c.id == organization_id).values(sealed_data_key=sealed, revision=new_revision())
    )


def desired(transaction: Connection, organization_id: str) -> Desired | None:
    """Desired state of an organization; None if there is no such organization or it is suspended."""
    row = transaction.execute(_BY_ID, {"organization": organization_id}).one_or_none()
    return None if row is None or row.suspended_at is not None else _state(transaction, row)


def standing(transaction: Connection, organization_id: str, shard: str | None = None) -> Standing | None:
    """Revision and desired state of an organization, also of one that is not active; None if there is none.

    Args:
        shard: an organization of another shard does not count as one; None: all shards.
    """
    row = transaction.execute(_BY_ID, {"organization": organization_id}).one_or_none()
    if row is None or (shard is not None and row.shard != shard):
        return None
    return Standing(row.revision, None if row.suspended_at is not None else _state(transaction, row), row.active)


def state(transaction: Connection, organization_id: str) -> Desired | None:
    """Desired state of an organization, even if it is suspended; None if there is no such organization."""
    row = transaction.execute(_BY_ID, {"organization": organization_id}).one_or_none()
    return None if row is None else _state(transaction, row)


def _state(transaction: Connection, row: Any) -> Desired:
    return Desired(
        organization=row.id,
        network=IPv4Network(row.network),
        port=row.port,
        hub_public_key=row.hub_public_key,
        sealed_data_key=row.sealed_data_key,
        sealed_private_key=row.sealed_private_key,
        peers=machines.peers_of(transaction, row.id),
        policy=policies.with_rules(transaction, row.id, row.policy_default),
    )


def _loaded(row: Any) -> Organization:
    return Organization(
        id=row.id,
        name=row.name,
        network=_network(row.network),
        port=row.port,
        hub_public_key=row.hub_public_key,
        plan=Plan(row.plan),
        policy_version=row.policy_version,
        revision=row.revision,
        created_at=times.loaded(row.created_at),
        suspended_at=None if row.suspended_at is None else times.loaded(row.suspended_at),
        policy_bytes=row.policy_bytes,
        expectation_count=row.expectation_count,
        shard=row.shard,
        trail_day=row.trail_day,
        trail_day_bytes=row.trail_day_bytes,
        trail_entries=row.trail_entries,
    )
