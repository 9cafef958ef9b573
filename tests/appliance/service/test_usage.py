"""Machine-minutes from the audit trail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from appliance.model.errors import NotFound
from appliance.model.organization import AuditEntry
from appliance.model.usage import PRICE, Item, Month, months
from appliance.service import Actor, Workplace, machines, organizations, usage
from appliance.service.usage import history_of
from tests.appliance.conftest import sign_up

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = 24 * 60


def entry(days: float, action: str, **detail: object) -> AuditEntry:
    return AuditEntry("", START + timedelta(days=days), "a", action, dict(detail))


def added(days: float, machine: str = "m") -> AuditEntry:
    return entry(days, "machine.added", machine=machine, name=machine)


def meter(entries: list[AuditEntry], days: float) -> list[Month]:
    return months(history_of(entries, START + timedelta(days=days)))


def test_a_machine_counts_for_the_part_of_the_month_that_it_existed() -> None:
    entries = [entry(0, "organization.created"), added(0), entry(15.5, "machine.removed", machine="m")]
    assert meter(entries, 20) == [Month("2026-01", 15 * DAY + DAY // 2, 0, 0)]


def test_months_are_apart_and_only_the_paid_plan_costs() -> None:
    entries = [entry(0, "organization.created"), added(0, "a"), added(0, "b")]
    entries.append(entry(31, "organization.changed", plan="paid", name="acme"))
    january, february = meter(entries, 59)
    assert january == Month("2026-01", 2 * 31 * DAY, 0, 0)
    assert february == Month("2026-02", 2 * 28 * DAY, 2 * 28 * DAY, 2 * PRICE)


def test_a_switch_of_the_plan_bills_the_minutes_between() -> None:
    entries = [
        entry(0, "organization.created"),
        added(0),
        entry(10, "organization.changed", plan="paid"),
        entry(12, "organization.changed", plan="paid", name="renamed"),
        entry(20.25, "organization.changed", plan="free"),
    ]
    (january,) = meter(entries, 31)
    assert january.billed_minutes == 10 * DAY + DAY // 4
    assert january.amount == round(PRICE * 10.25 / 31)


def test_a_clock_that_was_set_back_tells_no_minute_twice() -> None:
    entries = [entry(1, "organization.created"), added(5), entry(3, "machine.removed", machine="m"), added(4)]
    (january,) = meter(entries, 6)
    assert january.minutes == DAY


def at(workplace: Workplace, days: float) -> Workplace:
    return replace(workplace, clock=lambda: START + timedelta(days=days))


def test_a_rotation_and_a_new_name_don_t_begin_anew(workplace: Workplace) -> None:
    owner = sign_up(at(workplace, 0), "owner2@example.net")
    organizations.change(at(workplace, 0), owner, plan="paid")
    machine = machines.add(at(workplace, 1), owner, name="before").machine.id
    machines.rotate(at(workplace, 2), owner, machine)
    machines.change(at(workplace, 3), owner, machine, name="after")
    machines.remove(at(workplace, 5), owner, machine)
    month, lines = usage.month(at(workplace, 10), owner, "2026-01")
    assert lines == [Item(machine, "after", 4 * DAY, 4 * DAY, month.amount)]
    assert usage.statement(at(workplace, 10), owner) == [month]


def test_a_month_without_the_organization_has_no_statement(workplace: Workplace, owner: Actor) -> None:
    for name in ("1999-01", "9999-12", "x"):
        with pytest.raises(NotFound):
            usage.month(workplace, owner, name)
