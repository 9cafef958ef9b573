"""Reads of the meters that do not grow with all that was ever metered."""

from __future__ import annotations

from datetime import timedelta

from appliance.model.usage import Span
from appliance.service import Actor
from appliance.store import Store, audit, meters, times
from tests.appliance.databases import on_sqlite, query_plans

EVER = Span(0, 2**31 - 1)


def meter(store: Store, organization: str, machines: int) -> None:
    """Adds machines at once, and removes them an hour later."""
    now = times.now()
    with store.write() as transaction:
        for hours, action in ((0, "machine.added"), (1, "machine.removed")):
            for number in range(machines):
                detail = {"machine": f"m{number}", "name": f"name {number}"}
                audit.record(transaction, organization, "a", action, detail, now + timedelta(hours=hours))


def test_machines_of_the_same_minutes_are_counted_together(store: Store, owner: Actor) -> None:
    meter(store, owner.organization_id, 30)
    with store.read() as transaction:
        known = meters.span(transaction, owner.organization_id, times.now())
        found = list(meters.steps(transaction, owner.organization_id, known))
        assert len(meters.history(transaction, owner.organization_id, known, EVER).lifetimes) == 30
    assert [change for _, change in found] == [30, -30]


def test_a_machine_of_many_lifetimes_has_one_name(store: Store, owner: Actor) -> None:
    meter(store, owner.organization_id, 2)
    with store.write() as transaction:
        for hours in range(2, 8):
            detail = {"machine": "m1", "name": f"after {hours}", "enabled": hours % 2 == 0}
            moment = times.now() + timedelta(hours=hours)
            audit.record(transaction, owner.organization_id, "a", "machine.changed", detail, moment)
        known = meters.span(transaction, owner.organization_id, times.now())
        assert len(meters.history(transaction, owner.organization_id, known, EVER).lifetimes) == 5
        names = meters.names_of(transaction, owner.organization_id, ["m0", "m1", "m2"])
    assert names == {"m0": "name 0", "m1": "after 7"}


@on_sqlite
def test_a_month_finds_its_lifetimes_by_their_index(store: Store, owner: Actor) -> None:
    with store.read() as transaction, query_plans(transaction) as plans:
        known = meters.span(transaction, owner.organization_id, times.now())
        meters.history(transaction, owner.organization_id, known, known)
        list(meters.steps(transaction, owner.organization_id, known))
    month, totals = (plan for plan in plans if "lifetimes" in plan)
    index = "INDEX ix_lifetimes_organization_id_until_since (organization_id=?"
    assert f"{index} AND until=?" in month
    assert f"{index} AND until>?" in month
    assert totals.count(f"COVERING {index})") == 2
