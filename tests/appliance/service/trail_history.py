"""Usage computed from the whole audit trail, as an oracle for the meters."""

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
from appliance.model.organization import AuditEntry, Plan
from appliance.model.usage import Lifetime, Span, UsageHistory
from appliance.store import Store, audit, meters, migration, times
from tests.appliance.sites import make_store

_ADDED, _CHANGED, _REMOVED = "machine.added", "machine.changed", "machine.removed"
_PLAN = "organization.changed"
_SUSPENDED, _RESUMED = "organization.suspended", "organization.resumed"


def history_of(entries: Iterable[AuditEntry], until: datetime) -> UsageHistory:
    """Computes the usage history from an audit trail, oldest entry first, as of ``until``.

    Entries are in the order of events; after the clock was set back, no minute counts twice.
    """
    names: dict[str, str] = {}
    added: dict[str, int] = {}
    ended: list[tuple[str, Span]] = []
    paid: list[Span] = []
    suspended: list[Span] = []
    founded: int | None = None
    paid_since: int | None = None
    suspended_since: int | None = None
    at = end = 0
    for entry in entries:
        # What begins counts from the start of its minute, what ends to the end of it.
        at, end = max(at, usage.minute_of(entry.at)), max(end, usage.minute_after(entry.at))
        founded = at if founded is None else founded
        machine = str(entry.detail.get("machine", ""))
        if entry.action in (_ADDED, _CHANGED):
            names[machine] = str(entry.detail["name"])
        if entry.action == _ADDED or entry.detail.get("enabled") is True:
            # A minute that was metered already, as it was disabled within it, is not metered twice.
            last = next((span for name, span in reversed(ended) if name == machine), None)
            if last is not None and last.end >= at:
                ended.remove((machine, last))
                added[machine] = last.start
            else:
                added[machine] = at
        elif (entry.action == _REMOVED or entry.detail.get("enabled") is False) and machine in added:
            ended.append((machine, Span(added.pop(machine), end)))
        elif entry.action == _SUSPENDED:
            suspended_since = end
        elif entry.action == _RESUMED and suspended_since is not None:
            suspended.append(Span(suspended_since, at))
            suspended_since = None
        elif entry.action == _PLAN and "plan" in entry.detail:
            is_paid = Plan(str(entry.detail["plan"])) is Plan.PAID
            if is_paid and paid_since is None:
                # A minute that was paid for already, by a switch back within it, is not paid twice.
                paid_since = max(at, paid[-1].end) if paid else at
            elif not is_paid and paid_since is not None:
                paid.append(Span(paid_since, max(paid_since, end)))
                paid_since = None
    now = max(at, usage.minute_of(until))
    ended += [(machine, Span(since, now)) for machine, since in added.items()]
    first = {machine: min(span.start for name, span in ended if name == machine) for machine, _ in ended}
    ended.sort(key=lambda each: (first[each[0]], each[0], each[1].start))
    if paid_since is not None:
        paid.append(Span(paid_since, now))
    if suspended_since is not None:
        suspended.append(Span(suspended_since, now))
    return UsageHistory(
        Span(now if founded is None else founded, now),
        tuple(Lifetime(machine, names[machine], span) for machine, span in ended),
        tuple(paid),
        tuple(suspended),
    )


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
