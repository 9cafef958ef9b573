"""Sabotages of deletions and of unfinished sign-ups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from appliance.hub.rpc.client import HubClient
from appliance.service import accounts, deletion
from appliance.service.context import Context
from appliance.store import Store, deletions, organizations, times
from appliance.store.deletions import DeletionTarget, Tombstone
from appliance.store.schema import organizations as table
from harness.sabotage.parts import remembering

_PLAIN = re.compile(r"[a-z0-9-]*", re.IGNORECASE)
_begin = deletions.begin
_finish = deletions.finish


def leave_the_link() -> None:
    """Never removes an organization from the data plane."""

    def remove(hub: HubClient, organization: str) -> None:
        del hub, organization

    HubClient.remove = remove  # type: ignore[method-assign,assignment]


def forget_what_was_begun() -> None:
    """Never finishes a deletion that was interrupted."""

    def resume(context: Context, begun_until: datetime) -> None:
        del context, begun_until

    deletion.resume = resume


def remember_sessions() -> None:
    """Looks up the owner of a session once, and remembers it."""
    accounts.actor_of = remembering(accounts.actor_of)


def leave_the_files() -> None:
    """Removes rows without scrubbing their bytes from the store's journal."""

    def scrub(store: Store) -> bool:
        del store
        return True

    Store.scrub = scrub  # type: ignore[method-assign,assignment]


def take_all_for_cut_off() -> None:
    """Takes every sign-up from before the start of the process for an unfinished one."""

    def unfinished(transaction: Connection, until: datetime) -> Sequence[str]:
        return transaction.execute(select(table.c.id).where(table.c.created_at <= times.stored(until))).scalars().all()

    organizations.unfinished = unfinished


def keep_unusual_names() -> None:
    """Writes an unusual name of a deleted organization into the record of its deletion."""
    names: list[str] = []

    def begin(transaction: Connection, doomed: DeletionTarget, at: datetime) -> DeletionTarget:
        names.append(doomed.name)
        return _begin(transaction, doomed, at)

    def finish(transaction: Connection, tombstone: Tombstone) -> None:
        unusual = {name: 1 for name in names[-1:] if not _PLAIN.fullmatch(name)}
        _finish(transaction, replace(tombstone, removed={**tombstone.removed, **unusual}))

    deletions.begin = begin
    deletions.finish = finish
