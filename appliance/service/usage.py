"""Machine-months, metered from the audit trail: what a statement says can be checked entry by entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

from appliance.model.organization import PRICE_PER_MACHINE_MONTH, AuditEntry, Plan
from appliance.service.workplace import Actor, Workplace
from appliance.store import audit

CURRENCY = "INR"
_MACHINES = ("machine.added", "machine.removed")
_PLANS = ("organization.created", "organization.changed")


@dataclass(frozen=True)
class Month:
    """One line of a statement.

    Attributes:
        month: ``YYYY-MM``, in UTC.
        machine_months: machines, each counted for the part of the month in which it existed.
        amount: in INR; only what fell into times on the paid plan costs anything.
    """

    month: str
    machine_months: Decimal
    amount: Decimal


def statement(workplace: Workplace, actor: Actor) -> list[Month]:
    """The organization's usage, month by month until now."""
    with workplace.store.read() as transaction:
        entries = audit.of_actions(transaction, actor.organization_id, _MACHINES + _PLANS)
    return meter(entries, workplace.clock())


def meter(entries: Iterable[AuditEntry], until: datetime) -> list[Month]:
    """Usage from the trail's entries, oldest first, as of ``until``."""
    seconds: defaultdict[str, float] = defaultdict(float)
    billed: defaultdict[str, float] = defaultdict(float)
    machines, plan, since = 0, Plan.FREE, None

    def count(start: datetime | None, end: datetime) -> None:
        if start is None:
            return
        for begin, finish in _by_month(start, end):
            spent = machines * (finish - begin).total_seconds()
            seconds[_name(begin)] += spent
            if plan is Plan.PAID:
                billed[_name(begin)] += spent

    for entry in entries:
        count(since, entry.at)
        since = entry.at
        if entry.action == "machine.added":
            machines += 1
        elif entry.action == "machine.removed":
            machines -= 1
        elif entry.action == "organization.changed":
            plan = Plan(str(entry.detail["plan"]))
    count(since, until)
    return [
        Month(
            month,
            _rounded(Decimal(spent) / length, "0.0001"),
            _rounded(Decimal(billed[month]) / length * PRICE_PER_MACHINE_MONTH, "0.01"),
        )
        for month, spent in sorted(seconds.items())
        for length in (Decimal(_length(month)),)
    ]


def _by_month(start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    begin = start
    while begin < end:
        finish = min(end, _next_month(begin))
        yield begin, finish
        begin = finish


def _next_month(moment: datetime) -> datetime:
    years, month = divmod(moment.month, 12)
    return datetime(moment.year + years, month + 1, 1, tzinfo=timezone.utc)


def _name(moment: datetime) -> str:
    return f"{moment.year:04d}-{moment.month:02d}"


def _length(month: str) -> float:
    year, number = map(int, month.split("-"))
    start = datetime(year, number, 1, tzinfo=timezone.utc)
    return (_next_month(start) - start).total_seconds()


def _rounded(value: Decimal, step: str) -> Decimal:
    return value.quantize(Decimal(step), ROUND_HALF_UP)
