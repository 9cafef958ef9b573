"""Machine-minutes from the meters, which audit trail entries update."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import NotFound
from appliance.model.organization import AuditEntry
from appliance.model.usage import PRICE, Item, Lifetime, Month, Span, UsageHistory, items, months
from appliance.service import Actor, Context, machines, organizations, usage
from appliance.service.trails import tidy
from appliance.store import meters
from tests.appliance.conftest import sign_up
from tests.appliance.members import again
from tests.appliance.service.metering import metered, upgraded
from tests.appliance.service.trail_history import history_of
from tests.properties import examples

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAY = 24 * 60


def entry(days: float, action: str, **detail: object) -> AuditEntry:
    return AuditEntry("", START + timedelta(days=days), "a", action, dict(detail))


def added(days: float, machine: str = "m") -> AuditEntry:
    return entry(days, "machine.added", machine=machine, name=machine)


def meter(entries: list[AuditEntry], days: float) -> list[Month]:
    return months(kept(entries, days))


def kept(entries: list[AuditEntry], days: float) -> UsageHistory:
    """Reads the meters after these entries, and checks that they agree with the whole audit trail."""
    until = START + timedelta(days=days)
    found = metered(entries, until)
    told = history_of(entries, until)
    assert months(found) == months(told)
    for month in months(told):
        assert items(found, month.name) == items(told, month.name)
    return found


def test_a_machine_counts_for_its_part_of_the_month() -> None:
    entries = [entry(0, "organization.created"), added(0), entry(15.5, "machine.removed", machine="m")]
    assert meter(entries, 20) == [Month("2026-01", 15 * DAY + DAY // 2, 0, 0)]


def test_months_are_counted_apart_and_only_the_paid_plan_costs() -> None:
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


def test_a_clock_set_back_counts_no_minute_twice() -> None:
    entries = [entry(1, "organization.created"), added(5), entry(3, "machine.removed", machine="m"), added(4, "n")]
    (january,) = meter(entries, 6)
    assert january.minutes == DAY


SECOND = 1 / 86_400


def test_a_started_minute_is_billed() -> None:
    """Stays on the paid plan for some seconds, with more machines than the free plan covers."""
    entries = [entry(0, "organization.created")]
    for turn in range(3):
        start = turn / DAY
        entries.append(entry(start + 1 * SECOND, "organization.changed", plan="paid"))
        entries += [added(start + (2 + number) * SECOND, f"m{turn}-{number}") for number in range(5)]
        entries += [
            entry(start + (50 + number) * SECOND, "machine.removed", machine=f"m{turn}-{number}") for number in range(5)
        ]
        entries.append(entry(start + 58 * SECOND, "organization.changed", plan="free"))
    (january,) = meter(entries, 1)
    assert (january.minutes, january.billed_minutes) == (15, 15)


def test_a_minute_of_many_plan_changes_is_billed_once() -> None:
    entries = [entry(0, "organization.created"), added(0)]
    for second in range(0, 60, 10):
        entries.append(entry(1 + second * SECOND, "organization.changed", plan="paid"))
        entries.append(entry(1 + (second + 5) * SECOND, "organization.changed", plan="free"))
    (january,) = meter(entries, 2)
    assert january.billed_minutes == 1


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=12))
@examples(60)
def test_plan_switches_never_bill_less_than_was_used(pauses: list[int]) -> None:
    """Switches the plan to and fro: all started minutes are billed, and at most one more for each switch."""
    now, used, is_paid = 0, 0, False
    entries = [entry(0, "organization.created"), added(0)]
    for pause in pauses:
        used += pause if is_paid else 0
        now, is_paid = now + pause, not is_paid
        entries.append(entry(now * SECOND, "organization.changed", plan="paid" if is_paid else "free"))
    entries.append(entry((now + 60) * SECOND, "organization.changed", plan="free"))
    used += 60 if is_paid else 0
    (january,) = meter(entries, 1)
    assert used <= 60 * january.billed_minutes <= used + 60 * (len(pauses) + 1)


def test_a_suspended_organization_is_not_metered() -> None:
    entries = [
        entry(0, "organization.created"),
        entry(0, "organization.changed", plan="paid"),
        added(0),
        entry(2, "organization.suspended"),
        entry(5, "organization.resumed"),
        entry(6, "machine.removed", machine="m"),
        entry(7, "organization.suspended"),
    ]
    (january,) = meter(entries, 8)
    assert (january.minutes, january.billed_minutes) == (3 * DAY, 3 * DAY)
    (item,) = items(kept(entries, 8), "2026-01")
    assert (item.minutes, item.billed_minutes) == (3 * DAY, 3 * DAY)


def test_a_disabled_machine_is_not_metered() -> None:
    entries = [
        entry(0, "organization.created"),
        entry(0, "organization.changed", plan="paid"),
        added(0),
        entry(2, "machine.changed", machine="m", name="m", enabled=False),
        entry(3, "machine.changed", machine="m", name="renamed"),
        entry(5, "machine.changed", machine="m", name="renamed", enabled=True),
        entry(6, "machine.changed", machine="m", name="renamed", enabled=False),
        entry(7, "machine.removed", machine="m", name="renamed"),
    ]
    (january,) = meter(entries, 8)
    assert (january.minutes, january.billed_minutes) == (3 * DAY, 3 * DAY)
    (item,) = items(kept(entries, 8), "2026-01")
    assert item == Item("m", "renamed", 3 * DAY, 3 * DAY, january.amount)


def test_a_minute_of_many_disablings_is_metered_once() -> None:
    entries = [entry(0, "organization.created"), added(0)]
    for second in range(0, 600, 5):
        change = {"machine": "m", "name": "m", "enabled": second % 10 == 5}
        entries.append(entry(1 + second * SECOND, "machine.changed", **change))
    found = kept(entries, 2)
    assert len(found.lifetimes) == 1
    assert months(found)[0].minutes == 2 * DAY


def test_the_minutes_around_a_suspension_count() -> None:
    entries = [entry(0, "organization.created"), added(0)]
    entries += [entry(90 * SECOND, "organization.suspended"), entry(210 * SECOND, "organization.resumed")]
    (january,) = meter(entries, 300 * SECOND)
    # Suspended from 1:30 to 3:30: the third minute alone was nothing but suspended.
    assert january.minutes == 4


def at(context: Context, days: float) -> Context:
    return replace(context, clock=lambda: START + timedelta(days=days))


def test_a_rotation_or_a_new_name_starts_no_new_lifetime(context: Context) -> None:
    owner = sign_up(at(context, 0), "owner2@example.net")
    organizations.change(at(context, 0), owner, plan="paid")
    days = {day: at(context, day) for day in (1, 2, 3, 5)}
    present = {day: again(each, owner) for day, each in days.items()}
    machine = machines.add(days[1], present[1], name="before").machine.id
    machines.rotate(days[2], present[2], machine)
    machines.change(days[3], present[3], machine, name="after")
    machines.remove(days[5], present[5], machine)
    month, lines = usage.month(at(context, 10), owner, "2026-01")
    assert lines == [Item(machine, "after", 4 * DAY, 4 * DAY, month.amount)]
    assert usage.statement(at(context, 10), owner) == [month]


def test_a_statement_reads_only_the_lifetimes_that_it_lists(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has one machine after the other: a month loads its own, and the months together load none."""
    owner = sign_up(at(context, 0), "owner2@example.net")
    for day in (1, 32, 60):
        machine = machines.add(at(context, day), again(at(context, day), owner), name=f"m{day}").machine.id
        machines.remove(at(context, day + 1), again(at(context, day + 1), owner), machine)
    loaded: list[str] = []

    def load(machine: str, name: str, span: Span) -> Lifetime:
        loaded.append(name)
        return Lifetime(machine, name, span)

    monkeypatch.setattr(meters, "Lifetime", load)
    later = at(context, 100)
    february, lines = usage.month(later, again(later, owner), "2026-02")
    assert ([line.name for line in lines], loaded) == (["m32"], ["m32"])
    assert february in usage.statement(later, again(later, owner))
    assert loaded == ["m32"]


def test_a_machine_keeps_its_place_in_later_months() -> None:
    """Adds one machine before another, and enables it again later: the order decides who pays the rounding."""
    entries = [
        entry(0, "organization.created"),
        entry(0, "organization.changed", plan="paid"),
        added(1, "z"),
        entry(2, "machine.changed", machine="z", name="z", enabled=False),
        added(40, "a"),
        entry(41, "machine.changed", machine="z", name="z", enabled=True),
    ]
    assert [line.machine for line in items(kept(entries, 50), "2026-02")] == ["z", "a"]


def test_a_month_without_the_organization_has_no_statement(context: Context, owner: Actor) -> None:
    for name in ("1999-01", "9999-12", "x"):
        with pytest.raises(NotFound):
            usage.month(context, owner, name)


@st.composite
def trails(draw: st.DrawFn, *, with_disabling: bool = True) -> list[AuditEntry]:
    """Generates histories of an organization, also with setbacks of the clock."""
    kinds = ("add", "remove", "rename", "plan", "name", "suspend", *(("toggle",) if with_disabling else ()))
    entries, now = [entry(0, "organization.created")], 0
    there: set[str] = set()
    disabled: set[str] = set()
    added_once = 0
    is_paid = is_suspended = False
    for _ in range(draw(st.integers(0, 25))):
        now += draw(st.sampled_from((0, 1, 30, 60, 61, 3600, 86_400, 3_000_000, -1, -60, -86_400)))
        step = draw(st.sampled_from(kinds))
        at = max(0, now) * SECOND
        if step == "add":
            added_once += 1
            there.add(f"m{added_once}")
            entries.append(added(at, f"m{added_once}"))
        elif step in ("remove", "rename") and there:
            machine = draw(st.sampled_from(sorted(there)))
            entries.append(
                entry(at, "machine.removed" if step == "remove" else "machine.changed", machine=machine, name=f"{now}")
            )
            there -= {machine} if step == "remove" else set()
        elif step == "toggle" and there:
            machine = draw(st.sampled_from(sorted(there)))
            disabled ^= {machine}
            entries.append(
                entry(at, "machine.changed", machine=machine, name=f"{now}", enabled=machine not in disabled)
            )
        elif step == "plan":
            is_paid = not is_paid
            entries.append(entry(at, "organization.changed", plan="paid" if is_paid else "free", name="n"))
        elif step == "name":
            entries.append(entry(at, "organization.changed", plan="paid" if is_paid else "free", name="other"))
        elif step == "suspend":
            is_suspended = not is_suspended
            entries.append(entry(at, "organization.suspended" if is_suspended else "organization.resumed"))
    return entries


@given(trails(), st.integers(0, 100))
@examples(60)
def test_statements_from_meters_equal_those_from_the_whole_trail(entries: list[AuditEntry], days: int) -> None:
    kept(entries, days)


@pytest.mark.long
@given(st.lists(trails(with_disabling=False), min_size=3, max_size=6))
@examples(8)
def test_a_migrated_store_has_the_same_meters(of_each: list[list[AuditEntry]]) -> None:
    until = START + timedelta(days=100)
    for entries, found in zip(of_each, upgraded(of_each, until), strict=True):
        told = history_of(entries, until)
        assert months(found) == months(told)
        for month in months(told):
            assert items(found, month.name) == items(told, month.name)


@pytest.mark.long
def test_switching_the_plan_all_the_time_keeps_one_span() -> None:
    entries = [entry(0, "organization.created"), added(0)]
    entries += [
        entry(second * SECOND, "organization.changed", plan="free" if second % 20 else "paid")
        for second in range(0, 3000, 10)
    ]
    assert len(kept(entries, 1).paid) == 1


def test_removing_old_entries_changes_no_statement(context: Context) -> None:
    owner = sign_up(at(context, 0), "owner2@example.net")
    first, second, third = (again(at(context, days), owner) for days in (1, 2, 3))
    organizations.change(at(context, 0), owner, plan="paid")
    machine = machines.add(at(context, 1), first, name="a").machine.id
    for number in range(30):
        machines.change(at(context, 2), second, machine, name=f"a{number}")
    machines.remove(at(context, 3), third, machine)
    before = usage.statement(at(context, 500), owner), usage.month(at(context, 500), owner, "2026-01")
    assert tidy(at(context, 500), portion=7) > 30
    assert organizations.trail(at(context, 500), owner)[0] == []
    assert (usage.statement(at(context, 500), owner), usage.month(at(context, 500), owner, "2026-01")) == before
    assert before[0][0].minutes == 2 * DAY
