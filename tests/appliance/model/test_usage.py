"""The minutes and paise of a month's machines add up to the month's total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.organization import Plan
from appliance.model.usage import (
    PRICE,
    Item,
    Lifetime,
    Month,
    Span,
    UsageHistory,
    cost,
    items,
    minute_after,
    minute_of,
    monthly,
    months,
    months_of,
    rupees,
    span_of,
)

# They include a leap day, a turn of the year and months of every length.
FIRST, LAST = span_of("2027-11").start, span_of("2028-05").start
MINUTES = st.integers(FIRST, LAST)
MONTHS = [f"{year}-{month:02d}" for year in (2027, 2028, 2100) for month in range(1, 13)]


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(MINUTES)
    return Span(start, start + draw(st.integers(0, 100_000)))


@st.composite
def disjoint_spans(draw: st.DrawFn) -> list[Span]:
    turns = sorted(draw(st.sets(MINUTES, max_size=6)))
    return [Span(start, end) for start, end in zip(turns[::2], turns[1::2], strict=False)]


@st.composite
def histories(draw: st.DrawFn) -> UsageHistory:
    lifetimes = [
        Lifetime(f"m{number}", f"name {number}", span)
        for number, span in enumerate(draw(st.lists(spans(), max_size=8)))
    ]
    paid, suspended = (draw(disjoint_spans()) for _ in range(2))
    return UsageHistory(Span(FIRST + draw(st.integers(0, 50_000)), draw(MINUTES)), lifetimes, paid, suspended)


def sums(lines: Iterable[Month | Item]) -> tuple[int, int, int]:
    lines = list(lines)
    return (
        sum(line.minutes for line in lines),
        sum(line.billed_minutes for line in lines),
        sum(line.amount for line in lines),
    )


@given(histories())
def test_the_lines_of_a_month_add_up_to_it(history: UsageHistory) -> None:
    for month in months(history):
        assert sums(items(history, month.name)) == (month.minutes, month.billed_minutes, month.amount)


@given(histories())
def test_the_minutes_of_all_months_add_up_to_the_lifetimes(history: UsageHistory) -> None:
    minutes, billed, _ = sums(months(history))
    enabled = [lifetime.span.within(history.span) for lifetime in history.lifetimes]
    enabled_and_paid = [span.within(paid) for span in enabled for paid in history.paid]
    assert (minutes, billed) == tuple(
        sum(span.length - sum(span.within(each).length for each in history.suspended) for span in spans)
        for spans in (enabled, enabled_and_paid)
    )


@given(histories(), st.data())
def test_a_lifetime_split_in_two_costs_the_same(history: UsageHistory, data: st.DataObject) -> None:
    halves = []
    for lifetime in history.lifetimes:
        cut = data.draw(st.integers(lifetime.span.start, lifetime.span.end))
        halves += [Lifetime(lifetime.machine, "", Span(lifetime.span.start, cut))]
        halves += [Lifetime(lifetime.machine, "", Span(cut, lifetime.span.end))]
    assert months(UsageHistory(history.span, halves, history.paid, history.suspended)) == months(history)


@given(histories(), st.integers(0, 50_000))
def test_a_past_month_does_not_change(history: UsageHistory, later: int) -> None:
    now = history.span.end
    grown = replace(history, span=Span(history.span.start, now + later))
    over = [month for month in months(history) if span_of(month.name).end <= now]
    assert months(grown)[: len(over)] == over


@given(histories())
def test_a_month_is_rounded_once_and_by_half_a_paisa_at_most(history: UsageHistory) -> None:
    for month in months(history):
        exact = Decimal(PRICE) * month.billed_minutes / span_of(month.name).length
        assert abs(month.amount - exact) <= Decimal("0.5")
        assert all(item.amount >= 0 for item in items(history, month.name))


@given(st.sampled_from(MONTHS), st.integers(0, 50))
def test_a_whole_month_costs_the_price_whatever_its_length(name: str, machines: int) -> None:
    whole = span_of(name)
    lifetimes = [Lifetime(f"m{number}", "", whole) for number in range(machines)]
    (month,) = months(UsageHistory(whole, lifetimes, [whole]))
    assert (month.amount, month.machine_months) == (machines * PRICE, Decimal(f"{machines}.0000"))


@given(st.sampled_from(MONTHS), st.integers(1, 2**24))
def test_the_price_of_a_month_is_what_the_meter_counts(name: str, machines: int) -> None:
    month = span_of(name)
    is_free = machines <= (Plan.FREE.machine_limit or 0)
    assert monthly(machines) == (0 if is_free else cost(machines * month.length, month))


def test_the_price_begins_with_the_third_machine() -> None:
    assert [monthly(machines) for machines in (1, 2, 3, 10)] == [0, 0, 3 * 34_900, 10 * 34_900]


def test_a_machine_without_minutes_is_in_its_first_month_only() -> None:
    history = UsageHistory(span_of("2027-11"), [Lifetime("m", "name", Span(FIRST, FIRST))])
    assert items(history, "2027-11") == [Item("m", "name", 0, 0, 0)]
    assert items(history, "2027-12") == []


def test_half_a_paisa_is_rounded_up() -> None:
    # 34900 paise over 69800 minutes: each minute costs half a paisa.
    length = Span(0, 2 * PRICE)
    assert [cost(minutes, length) for minutes in range(5)] == [0, 1, 1, 2, 2]


def test_months_have_their_calendar_lengths() -> None:
    days = {name: span_of(name).length // 1440 for name in ("2027-02", "2028-02", "2100-02", "2027-12")}
    assert days == {"2027-02": 28, "2028-02": 29, "2100-02": 28, "2027-12": 31}
    assert list(months_of(Span(span_of("2027-12").start, span_of("2028-02").start))) == ["2027-12", "2028-01"]
    assert list(months_of(Span(FIRST, FIRST))) == ["2027-11"]
    for name in ("2027-13", "", "2027", "x"):
        with pytest.raises(ValueError, match=r"."):
            span_of(name)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-12, 12))  # noqa: DTZ001
def test_a_moment_is_in_the_same_minute_in_every_time_zone(moment: datetime, hours: int) -> None:
    here = moment.replace(tzinfo=timezone.utc)
    there = here.astimezone(timezone(timedelta(hours=hours)))
    assert minute_of(here) == minute_of(there)
    assert minute_of(here) == minute_of(here.replace(second=0, microsecond=0))
    assert minute_after(here) == minute_of(here) + (here.second > 0 or here.microsecond > 0)


@pytest.mark.parametrize(("paise", "text"), [(0, "0.00"), (5, "0.05"), (34_900, "349.00"), (123_456, "1234.56")])
def test_amounts_are_formatted_in_rupees(paise: int, text: str) -> None:
    assert rupees(paise) == text
