"""Machine-months from the audit trail."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from appliance.model.organization import AuditEntry
from appliance.service.usage import meter

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def entry(days: float, action: str, **detail: object) -> AuditEntry:
    return AuditEntry(0, START + timedelta(days=days), "a", action, dict(detail))


def test_a_machine_counts_for_the_part_of_the_month_that_it_existed() -> None:
    entries = [entry(0, "organization.created"), entry(0, "machine.added"), entry(15.5, "machine.removed")]
    (january,) = meter(entries, START + timedelta(days=20))
    assert (january.month, january.machine_months, january.amount) == ("2026-01", Decimal("0.5000"), Decimal("0.00"))


def test_months_are_apart_and_only_the_paid_plan_costs() -> None:
    entries = [
        entry(0, "organization.created"),
        entry(0, "machine.added"),
        entry(0, "machine.added"),
        entry(31, "organization.changed", plan="paid"),
    ]
    january, february = meter(entries, START + timedelta(days=59))
    assert (january.machine_months, january.amount) == (Decimal("2.0000"), Decimal("0.00"))
    assert (february.month, february.machine_months, february.amount) == (
        "2026-02",
        Decimal("2.0000"),
        Decimal("698.00"),
    )


def test_the_turn_of_the_year_is_a_month_s_end() -> None:
    entries = [entry(-1, "organization.created"), entry(-1, "machine.added")]
    months = [month.month for month in meter(entries, START + timedelta(days=1))]
    assert months == ["2025-12", "2026-01"]
