"""What an organization has used and owes: machines by the minute, money by the month.

Everything is whole minutes since the epoch, and whole paise. Each minute that has begun counts, of a machine as of the
paid plan: a machine that was there for some seconds was there for a minute, so nobody uses anything free of charge by
ending it within the minute. A minute in which an organization was suspended from its first to its last second does not
count. Months are UTC's.

There is one rounding: what a month costs, from its machine-minutes on the paid plan, half a paisa up. A machine's line
is the step that it adds to that, so lines add up to their month.
"""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal

CURRENCY = "INR"
PRICE = 34_900
"""Paise, for one machine and a whole month on the paid plan."""

_MINUTE = 60


@dataclass(frozen=True)
class Span:
    """Minutes from ``start`` up to ``end``, which does not count; none where that is not later."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """In minutes."""
        return max(0, self.end - self.start)

    def within(self, other: Span) -> Span:
        """The part of it that lies in another one."""
        return Span(max(self.start, other.start), min(self.end, other.end))


@dataclass(frozen=True)
class Lifetime:
    """Span in which a machine was enabled without a break; ``name`` is its last one."""

    machine: str
    name: str
    span: Span


@dataclass(frozen=True)
class History:
    """All that a statement is made from.

    Attributes:
        span: of the organization, until now.
        lifetimes: of its machines; no two of one machine overlap.
        paid: when it was on the paid plan; no two of these overlap.
        suspended: when the operator had it suspended, and nothing counts; no two of these overlap.
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
        minutes: that its machines were there, each by itself.
        billed_minutes: those of them on the paid plan.
        amount: paise.
    """

    name: str
    minutes: int
    billed_minutes: int
    amount: int

    @property
    def machine_months(self) -> Decimal:
        """Its minutes in machines that were there all month; for reading, to four places."""
        exact = Decimal(self.minutes) / span_of(self.name).length
        return exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)


@dataclass(frozen=True)
class Item:
    """A machine's part of a month; the fields are those of `Month`."""

    machine: str
    name: str
    minutes: int
    billed_minutes: int
    amount: int


def minute_of(moment: datetime) -> int:
    """The minute that a moment falls into."""
    return int(moment.timestamp() // _MINUTE)


def minute_after(moment: datetime) -> int:
    """The first minute that begins at a moment or after it."""
    return -int(-moment.timestamp() // _MINUTE)


def span_of(month: str) -> Span:
    """All of a month that is called ``YYYY-MM``.

    Raises:
        ValueError: none is called so.
    """
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc)
    start = minute_of(first)
    return Span(start, start + calendar.monthrange(first.year, first.month)[1] * 24 * 60)


def months_of(span: Span) -> Iterator[str]:
    """The months that a span reaches into; of an empty one, the month that it begins in."""
    at = span.start
    while at < max(span.end, span.start + 1):
        name = f"{datetime.fromtimestamp(at * _MINUTE, timezone.utc):%Y-%m}"
        yield name
        at = span_of(name).end


def cost(billed_minutes: int, month: Span) -> int:
    """Paise for so many machine-minutes of a month."""
    return (2 * PRICE * billed_minutes + month.length) // (2 * month.length)


def months(history: History) -> list[Month]:
    """The statement, from the organization's first month to the present one."""
    steps: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for part, spans in enumerate(((each.span for each in history.lifetimes), history.paid, history.suspended)):
        for span in spans:
            known = span.within(history.span)
            if known.length:
                steps[known.start][part] += 1
                steps[known.end][part] -= 1
    turns = sorted(steps)
    machines = paid = suspended = done = 0
    statement = []
    for name in months_of(history.span):
        month = span_of(name)
        minutes = billed = 0
        at = month.start
        while at < month.end:
            until = min(turns[done], month.end) if done < len(turns) else month.end
            spent = 0 if suspended else machines * (until - at)
            minutes += spent
            billed += spent if paid else 0
            at = until
            if done < len(turns) and turns[done] == at:
                machines, paid, suspended = machines + steps[at][0], paid + steps[at][1], suspended + steps[at][2]
                done += 1
        statement.append(Month(name, minutes, billed, cost(billed, month)))
    return statement


def items(history: History, month: str) -> list[Item]:
    """What each machine has to do with a month, the oldest machine first; also one that was there for no whole minute.

    Raises:
        ValueError: no month is called so.
    """
    whole = span_of(month)
    spent = whole.within(history.span)
    paid = [each.within(spent) for each in history.paid]
    found, running = [], 0
    of_each: defaultdict[str, list[Lifetime]] = defaultdict(list)
    for lifetime in sorted(history.lifetimes, key=lambda each: (each.span.start, each.machine)):
        of_each[lifetime.machine].append(lifetime)

    def counted(span: Span) -> int:
        return span.length - sum(span.within(each).length for each in history.suspended)

    for machine, lifetimes in of_each.items():
        there = [each.span.within(spent) for each in lifetimes]
        began = any(whole.start <= each.span.start < whole.end for each in lifetimes)
        if not began and not any(each.length for each in there):
            continue
        billed = sum(counted(span.within(each)) for span in there for each in paid)
        amount = cost(running + billed, whole) - cost(running, whole)
        found.append(Item(machine, lifetimes[0].name, sum(map(counted, there)), billed, amount))
        running += billed
    return found


def rupees(paise: int) -> str:
    """``349.00``."""
    return f"{paise // 100}.{paise % 100:02d}"
