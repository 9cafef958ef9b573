"""Meters of organizations that have a given audit trail, recorded now or there before meters were."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, text

from appliance.model import usage
from appliance.model.organization import AuditEntry
from appliance.model.usage import Span, UsageHistory
from appliance.store import Store, audit, meters, migration, times
from tests.appliance.sites import make_store

_FOUNDED = (
    "INSERT INTO organizations (id, name, network, port, hub_public_key, sealed_data_key, sealed_private_key, plan, "
    "policy_default, policy_version, active, created_at) "
    "VALUES (:id, 'o', '10.0.0.0/8', :port, :id, 'k', 'k', 'free', 'allow', 1, true, 0)"
)


def metered(entries: Iterable[AuditEntry], until: datetime) -> UsageHistory:
    """Reads the store's meters after these entries were recorded."""
    with organization_in() as (transaction, organization):
        for each in entries:
            audit.record(transaction, organization, each.actor, each.action, each.detail, each.at)
        return _read(transaction, organization, until)


_EVER = Span(0, 2**31 - 1)


def _read(transaction: Connection, organization: str, until: datetime) -> UsageHistory:
    """Reads the meters as a whole, and checks that the totals and each month, which are read apart, agree with it."""
    known = meters.span(transaction, organization, until)
    whole = meters.history(transaction, organization, known, _EVER)
    outline = meters.outline(transaction, organization, known, known)
    assert usage.months(outline, meters.steps(transaction, organization, known)) == usage.months(whole)
    for month in usage.months(whole):
        of_month = meters.history(transaction, organization, known, usage.span_of(month.name))
        assert usage.items(of_month, month.name) == usage.items(whole, month.name)
        assert usage.total(month.name, usage.items(of_month, month.name)) == month
    return whole


class _Undone(Exception):
    """Ends a transaction without a commit."""


@contextmanager
def organization_in() -> Iterator[tuple[Connection, str]]:
    """Provides a transaction with one organization and nothing else; it is never committed."""
    with suppress(_Undone), _store().write() as transaction:
        _found(transaction, 0)
        yield transaction, "o0"
        raise _Undone


def upgraded(of_each: Sequence[Sequence[AuditEntry]], until: datetime) -> list[UsageHistory]:
    """Reads each organization's meters after a migration of a store with these entries and without meters."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.sqlite"
        file.write_bytes(_before())
        store = Store(f"sqlite:///{file}")
        with store.write() as transaction:
            for number, entries in enumerate(of_each):
                _found(transaction, number)
                for place, each in enumerate(entries):
                    transaction.execute(
                        text(
                            "INSERT INTO audit (name, organization_id, at, actor, action, detail) "
                            "VALUES (:name, :organization, :at, 'a', :action, :detail)"
                        ),
                        {
                            "name": f"{number}-{place}",
                            "organization": f"o{number}",
                            "at": times.stored(each.at),
                            "action": each.action,
                            "detail": json.dumps(each.detail),
                        },
                    )
        migration.upgrade(store)
        with store.read() as transaction:
            found = [_read(transaction, f"o{number}", until) for number in range(len(of_each))]
        store.close()
        return found


def _found(transaction: Connection, number: int) -> None:
    transaction.execute(text(_FOUNDED), {"id": f"o{number}", "port": 1000 + number})


def _store() -> Store:
    return _kept_store()[1]


@functools.cache
def _kept_store() -> tuple[tempfile.TemporaryDirectory[str], Store]:
    """Makes a store for all tests, to which nothing is committed; its folder is removed with this process."""
    folder = tempfile.TemporaryDirectory()
    return folder, make_store(Path(folder.name) / "store.sqlite")


@functools.cache
def _before() -> bytes:
    """Makes a store's file with the schema from before the meters."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.sqlite"
        store = Store(f"sqlite:///{file}")
        migration.upgrade(store, "0019")
        store.scrub()
        store.close()
        return file.read_bytes()
