"""Usage and cost of an organization: machines by the minute, money by the month.

Times are whole minutes since the epoch, amounts are whole paise, months are in UTC. Each minute that has begun counts,
for a machine as for the paid plan, so that short-lived machines are not free of charge. A minute in which an
organization was suspended from its first to its last second does not count.

Only a month's cost is rounded: machine-minutes on the paid plan times the price, half a paisa up. The amount of a
machine is its step in the running total, so that the amounts of all machines add up to the month's.
"""

from __future__ import annotations

import calendar
import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

from appliance.model.organization import Plan

CURRENCY = "INR"
PRICE = 34_900
"""Paise for one machine and a whole month on the paid plan."""

_MINUTE = 60

Step = tuple[int, int]
"""A minute, and how many more there are from it on."""


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
        lifetimes: of its machines, the oldest machine first; those of one machine don't overlap.
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


def months(history: UsageHistory, steps: Iterable[Step] | None = None) -> list[Month]:
    """The statement, from the organization's first month to the present one.

    Args:
        steps: of the machines that are enabled, in order and within the history's span; None for those of its
            lifetimes.
    """
    if steps is None:
        steps = _steps((each.span for each in history.lifetimes), history.span)
    changes = heapq.merge(
        ((at, change, 0, 0) for at, change in steps),
        ((at, 0, change, 0) for at, change in _steps(history.paid, history.span)),
        ((at, 0, 0, change) for at, change in _steps(history.suspended, history.span)),
    )
    following = next(changes, None)
    machines = paid = suspended = 0
    statement = []
    for name in months_of(history.span):
        month = span_of(name)
        minutes = billed = 0
        at = month.start
        while at < month.end:
            until = month.end if following is None else min(following[0], month.end)
            used = 0 if suspended else machines * (until - at)
            minutes += used
            billed += used if paid else 0
            at = until
            while following is not None and following[0] == at:
                machines, paid, suspended = machines + following[1], paid + following[2], suspended + following[3]
                following = next(changes, None)
        statement.append(Month(name, minutes, billed, cost(billed, month)))
    return statement


def _steps(spans: Iterable[Span], known: Span) -> list[Step]:
    """Steps at the begin and the end of each span, as far as it lies in another one."""
    parts = [part for each in spans if (part := each.within(known)).length]
    return sorted([(each.start, 1) for each in parts] + [(each.end, -1) for each in parts])


def items(history: UsageHistory, month: str) -> list[Item]:
    """Each machine's part of a month, in the order of the history, including machines without a counted minute.

    Args:
        history: what does not overlap the month may be left out.

    Raises:
        ValueError: the month is not of the form ``YYYY-MM``.
    """
    whole = span_of(month)
    elapsed = whole.within(history.span)
    paid = [part for each in history.paid if (part := each.within(elapsed)).length]
    found, running = [], 0
    of_each: defaultdict[str, list[Lifetime]] = defaultdict(list)
    for lifetime in history.lifetimes:
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


def total(name: str, lines: Sequence[Item]) -> Month:
    """The month of this name whose machines' parts these are."""
    return Month(
        name,
        sum(each.minutes for each in lines),
        sum(each.billed_minutes for each in lines),
        sum(each.amount for each in lines),
    )


def rupees(paise: int) -> str:
    """Format an amount in rupees, such as ``349.00``."""
    return f"{paise // 100}.{paise % 100:02d}"
