"""Usage and cost of an organization: machines by the minute, money by the month.

Times are whole minutes since the epoch, amounts are whole paise, months are in UTC. Each minute that has begun counts,
for a machine as for the paid plan, so that short-lived machines are not free of charge. A minute in which an
organization was suspended from its first to its last second does not count.

Only a month's cost is rounded: machine-minutes on the paid plan times the price, half a paisa up. The amount of a
machine is its step in the running total, so that the amounts of all machines add up to the month's.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

from appliance.model.organization import Plan

CURRENCY = "INR"
PRICE = 34_900
"""Paise for one machine and a whole month on the paid plan."""

_MINUTE = 60


@dataclass(frozen=True)
class Span:
    """Minutes from ``start`` to ``end``, which is excluded; empty if ``end`` is not later."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of minutes."""
        return max(0, self.end - self.start)

    def within(self, other: Span) -> Span:
        """The part of this span that lies in another one."""
        return Span(max(self.start, other.start), min(self.end, other.end))


@dataclass(frozen=True)
class Lifetime:
    """Span in which a machine was enabled without a break; ``name`` is the machine's latest."""

    machine: str
    name: str
    span: Span


@dataclass(frozen=True)
class UsageHistory:
    """Input of a statement.

    Attributes:
        span: from the organization's beginning until now.
        lifetimes: of its machines; those of one machine don't overlap.
        paid: disjoint spans on the paid plan.
        suspended: disjoint spans of suspension, in which nothing counts.
    """

    span: Span
    lifetimes: Sequence[Lifetime] = ()
    paid: Sequence[Span] = ()
    suspended: Sequence[Span] = ()


@dataclass(frozen=True)
class Month:
    """One line of a statement.

    Attributes:
        name: ``YYYY-MM``.
        minutes: sum of all machines' minutes.
        billed_minutes: sum of all machines' minutes on the paid plan.
        amount: cost in paise.
    """

    name: str
    minutes: int
    billed_minutes: int
    amount: int

    @property
    def machine_months(self) -> Decimal:
        """The minutes in units of a machine that was enabled all month, for display, to four places."""
        exact = Decimal(self.minutes) / span_of(self.name).length
        return exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)


@dataclass(frozen=True)
class Item:
    """A machine's part of a month, with fields like those of `Month`."""

    machine: str
    name: str
    minutes: int
    billed_minutes: int
    amount: int


def minute_of(moment: datetime) -> int:
    """The minute that contains a moment."""
    return int(moment.timestamp() // _MINUTE)


def minute_after(moment: datetime) -> int:
    """The first minute that begins at or after a moment."""
    return -int(-moment.timestamp() // _MINUTE)


def span_of(month: str) -> Span:
    """The span of a month.

    Args:
        month: ``YYYY-MM``.

    Raises:
        ValueError: not of that form.
    """
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc)
    start = minute_of(first)
    return Span(start, start + calendar.monthrange(first.year, first.month)[1] * 24 * 60)


def months_of(span: Span) -> Iterator[str]:
    """Months that a span overlaps, as ``YYYY-MM``; an empty span gives the month of its start."""
    at = span.start
    while at < max(span.end, span.start + 1):
        name = f"{datetime.fromtimestamp(at * _MINUTE, timezone.utc):%Y-%m}"
        yield name
        at = span_of(name).end


def cost(billed_minutes: int, month: Span) -> int:
    """Cost in paise of the billed machine-minutes of a month."""
    return (2 * PRICE * billed_minutes + month.length) // (2 * month.length)


def monthly(machines: int) -> int:
    """Cost in paise of a whole month with this many machines, on the cheapest plan that allows them."""
    limit = Plan.FREE.machine_limit
    return 0 if limit is None or machines <= limit else machines * PRICE


def months(history: UsageHistory) -> list[Month]:
    """The statement, from the organization's first month to the present one."""
    steps: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for part, spans in enumerate(((each.span for each in history.lifetimes), history.paid, history.suspended)):
        for span in spans:
            known = span.within(history.span)
            if known.length:
                steps[known.start][part] += 1
                steps[known.end][part] -= 1
    boundaries = sorted(steps)
    machines = paid = suspended = passed = 0
    statement = []
    for name in months_of(history.span):
        month = span_of(name)
        minutes = billed = 0
        at = month.start
        while at < month.end:
            until = min(boundaries[passed], month.end) if passed < len(boundaries) else month.end
            used = 0 if suspended else machines * (until - at)
            minutes += used
            billed += used if paid else 0
            at = until
            if passed < len(boundaries) and boundaries[passed] == at:
                machines, paid, suspended = machines + steps[at][0], paid + steps[at][1], suspended + steps[at][2]
                passed += 1
        statement.append(Month(name, minutes, billed, cost(billed, month)))
    return statement


def items(history: UsageHistory, month: str) -> list[Item]:
    """Each machine's part of a month, the oldest machine first, including machines without a counted minute.

    Raises:
        ValueError: the month is not of the form ``YYYY-MM``.
    """
    whole = span_of(month)
    elapsed = whole.within(history.span)
    paid = [each.within(elapsed) for each in history.paid]
    found, running = [], 0
    of_each: defaultdict[str, list[Lifetime]] = defaultdict(list)
    for lifetime in sorted(history.lifetimes, key=lambda each: (each.span.start, each.machine)):
        of_each[lifetime.machine].append(lifetime)

    def counted(span: Span) -> int:
        return span.length - sum(span.within(each).length for each in history.suspended)

    for machine, lifetimes in of_each.items():
        enabled = [each.span.within(elapsed) for each in lifetimes]
        began = any(whole.start <= each.span.start < whole.end for each in lifetimes)
        if not began and not any(each.length for each in enabled):
            continue
        billed = sum(counted(span.within(each)) for span in enabled for each in paid)
        amount = cost(running + billed, whole) - cost(running, whole)
        found.append(Item(machine, lifetimes[0].name, sum(map(counted, enabled)), billed, amount))
        running += billed
    return found


def rupees(paise: int) -> str:
    """Format an amount in rupees, such as ``349.00``."""
    return f"{paise // 100}.{paise % 100:02d}"
