"""Histories of policies: each save as the way back to the version before.

So a save writes what it changes, however long the policy is, and the oldest saves can be removed at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from appliance.model.policy import Action, Policy, Rule
from appliance.store import times
from appliance.store.fitting import fitting
from appliance.store.schema import organizations as _organizations
from appliance.store.schema import policy_history as _table

MOST_VERSIONS = 1000
MOST_BYTES = 20_000_000
"""Limits of an organization's history; beyond them the oldest saves are removed. The last save always stays."""

# Versions between two looks at their number, so that few saves have the work.
_LOOK_EVERY = 32
_OVERHEAD = 100
_INSERT = insert(_table)
_BACK = (
    select(_table.c.version, _table.c.back)
    .where(_table.c.organization_id == bindparam("organization"), _table.c.version > bindparam("version"))
    .order_by(_table.c.version.desc())
)
_BYTES = select(func.coalesce(func.sum(_table.c.size), 0)).where(_table.c.organization_id == bindparam("organization"))


@dataclass(frozen=True)
class Save:
    """Author, time and effects of a save.

    Attributes:
        changes: what changed, in words, like the detail of an entry of the audit trail.
    """

    actor: str
    at: datetime
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class PolicyVersion:
    """A version that can be restored.

    Attributes:
        save: None for the version before the oldest kept save.
    """

    version: int
    save: Save | None


@dataclass(frozen=True)
class ReverseDelta:
    """Stored difference from a version back to the one before.

    Attributes:
        text: JSON.
        size: approximate bytes of the whole entry.
    """

    save: Save
    changes: str
    text: str
    size: int


def reverse_delta(save: Save, default: Action, gone: Sequence[Rule], new: Sequence[Rule]) -> ReverseDelta:
    """Encode a save.

    Args:
        default: before the save.
        gone: rules that only the policy before it had.
        new: rules that only the policy after it has.
    """
    back = {
        "default": default.value,
        "added": [rule.id for rule in new],
        "removed": [{"id": rule.id, **rule.parts} for rule in gone],
    }
    changes, text = msgspec.json.encode(save.changes), msgspec.json.encode(back)
    size = _OVERHEAD + len(save.actor.encode()) + len(changes) + len(text)
    return ReverseDelta(save, changes.decode(), text.decode(), size)


def add(transaction: Connection, organization_id: str, version: int, delta: ReverseDelta, total: int) -> None:
    """Add a save, and remove the oldest ones beyond the limits.

    Args:
        version: made by the save.
        total: bytes of the history, with this save.
    """
    transaction.execute(
        _INSERT,
        {
            "organization_id": organization_id,
            "version": version,
            "at": times.stored(delta.save.at),
            "actor": delta.save.actor,
            "changes": delta.changes,
            "back": delta.text,
            "size": delta.size,
        },
    )
    if total > MOST_BYTES or version % _LOOK_EVERY == 0:
        _remove_before(transaction, organization_id, _first_within_limits(transaction, organization_id))


def _first_within_limits(transaction: Connection, organization_id: str) -> int:
    newest_first = (
        select(_table.c.version, _table.c.size)
        .where(_table.c.organization_id == organization_id)
        .order_by(_table.c.version.desc())
        .limit(MOST_VERSIONS)
    )
    total, first = 0, 0
    for row in transaction.execute(newest_first):
        total += row.size
        if first and total > MOST_BYTES:
            break
        first = row.version
    return first


def _remove_before(transaction: Connection, organization_id: str, version: int) -> int:
    removed = transaction.execute(
        delete(_table).where(_table.c.organization_id == organization_id, _table.c.version < version)
    ).rowcount
    if removed:
        left = transaction.execute(_BYTES, {"organization": organization_id}).scalar_one()
        transaction.execute(
            update(_organizations).where(_organizations.c.id == organization_id).values(history_bytes=left)
        )
    return removed


def overdue(transaction: Connection, oldest: datetime, most: int) -> Sequence[str]:
    """Ids of at most ``most`` organizations with saves before ``oldest``."""
    query = select(_table.c.organization_id).where(_table.c.at < times.stored(oldest)).distinct().limit(most)
    return transaction.execute(query).scalars().all()


def prune(transaction: Connection, organization_id: str, oldest: datetime) -> int:
    """Remove the saves before ``oldest``, and all before these; returns their number."""
    transaction.execute(select(_organizations.c.id).where(_organizations.c.id == organization_id).with_for_update())
    last = transaction.execute(
        select(func.max(_table.c.version)).where(
            _table.c.organization_id == organization_id, _table.c.at < times.stored(oldest)
        )
    ).scalar_one()
    return 0 if last is None else _remove_before(transaction, organization_id, last + 1)


def has(transaction: Connection, organization_id: str, version: int) -> bool:
    """True if the save that made this version is kept."""
    query = select(_table.c.version).where(_table.c.organization_id == organization_id, _table.c.version == version)
    return transaction.execute(query).first() is not None


def page_of(transaction: Connection, organization_id: str, *, before: int, limit: int) -> list[PolicyVersion]:
    """At most ``limit`` versions before one, newest first."""
    rows = transaction.execute(
        select(_table.c.version, _table.c.at, _table.c.actor, _table.c.changes)
        .where(_table.c.organization_id == organization_id, _table.c.version < before)
        .order_by(_table.c.version.desc())
        .limit(limit)
    )
    return [
        PolicyVersion(row.version, Save(row.actor, times.loaded(row.at), msgspec.json.decode(row.changes)))
        for row in rows
    ]


def fitting_page(transaction: Connection, organization_id: str, *, before: int, limit: int, most_bytes: int) -> int:
    """Number of versions at the start of a page of `page_of` that fit into ``most_bytes``; at least one."""
    query = (
        select(_OVERHEAD + func.length(_table.c.actor) + func.length(_table.c.changes))
        .where(_table.c.organization_id == organization_id, _table.c.version < before)
        .order_by(_table.c.version.desc())
        .limit(limit)
    )
    return fitting(transaction, query, most_bytes)


def earlier(
    transaction: Connection, organization_id: str, present: Policy, present_version: int, version: int
) -> Policy | None:
    """An earlier version of a policy; None if it is not kept.

    Rules that the present policy has too come first: the order of rules changes no verdict, and is not kept.
    """
    if not 0 < version <= present_version:
        return None
    rules, default = dict(present.by_id), present.default
    at = present_version
    for row in transaction.execute(_BACK, {"organization": organization_id, "version": version}):
        if row.version != at:
            return None
        back = msgspec.json.decode(row.back)
        default = Action(back["default"])
        for rule_id in back["added"]:
            del rules[rule_id]
        for parts in back["removed"]:
            rule_id = parts.pop("id")
            rules[rule_id] = replace(Rule.parse(**parts), id=rule_id)
        at -= 1
    if at != version:
        return None
    gone = {rule.id for rule in present.rules if rules.get(rule.id) != rule}
    new = [rule for rule in rules.values() if present.by_id.get(rule.id) != rule]
    return present.changed(gone, new).with_default(default)
