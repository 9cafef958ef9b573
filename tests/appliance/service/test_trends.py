"""Trends of packet counts since an earlier look."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.desired import RuleCount
from appliance.service.trends import Trend, Trends

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def counts(**packets: int) -> dict[str | None, RuleCount]:
    return {rule: RuleCount(rule, count, 84 * count) for rule, count in packets.items()}


def test_the_first_look_has_nothing_to_compare_with() -> None:
    trends = Trends()
    assert trends.look("acme", {}, START) is None
    assert trends.look("acme", counts(a=1), START) is None
    assert trends.look("other", counts(a=5), START) is None


def test_new_rules_and_new_counts_begin_at_zero() -> None:
    trends = Trends()
    trends.look("acme", counts(old=100, reset=100, gone=3), START)
    found = trends.look("acme", counts(old=107, reset=4, added=9), START + timedelta(minutes=2))
    assert found == Trend(START, {"old": 7, "reset": 4, "added": 9})


def test_unknown_counts_are_no_look() -> None:
    trends = Trends()
    trends.look("acme", counts(a=1), START)
    assert trends.look("acme", {}, START + timedelta(minutes=1)) is None
    found = trends.look("acme", counts(a=3), START + timedelta(minutes=2))
    assert found == Trend(START, {"a": 2})


@given(st.lists(st.integers(1, 299), min_size=1, max_size=60))
def test_trends_of_constant_traffic_are_exact_and_recent(pauses: list[int]) -> None:
    trends, at = Trends(), START
    trends.look("acme", counts(a=0), at)
    for seconds in pauses:
        at += timedelta(seconds=seconds)
        found = trends.look("acme", counts(a=int((at - START).total_seconds())), at)
        assert found is not None
        assert found.packets["a"] == (at - found.since).total_seconds()
        assert min(timedelta(minutes=5), at - START) <= at - found.since <= timedelta(minutes=15)


def test_after_a_pause_the_last_look_counts() -> None:
    trends = Trends()
    trends.look("acme", counts(a=1), START)
    trends.look("acme", counts(a=2), START + timedelta(hours=1))
    found = trends.look("acme", counts(a=5), START + timedelta(hours=1, minutes=1))
    assert found == Trend(START + timedelta(hours=1), {"a": 3})
    assert trends.look("acme", counts(a=9), START + timedelta(days=3)) is None


@pytest.mark.parametrize("rules", [1, 40])
def test_memory_is_bounded_by_counts(rules: int) -> None:
    trends = Trends(most_counts=40)
    of_each = counts(**{f"r{number}": 1 for number in range(rules)})
    for number in range(100):
        trends.look(f"organization-{number}", of_each, START)
    later = START + timedelta(minutes=1)
    latest_first = (trends.look(f"organization-{number}", of_each, later) for number in reversed(range(100)))
    assert [next(latest_first) is not None for _ in range(40 // rules + 1)] == [True] * (40 // rules) + [False]


def test_large_organizations_push_out_no_small_one() -> None:
    trends = Trends(most_counts=100)
    trends.look("small", counts(a=1), START)
    large = counts(**{f"r{number}": 1 for number in range(20)})
    for at in (START, START + timedelta(minutes=5)):
        for number in range(3):
            trends.look(f"large-{number}", large, at)
    later = START + timedelta(minutes=6)
    assert trends.look("small", counts(a=3), later) == Trend(START, {"a": 2})
    assert [trends.look(f"large-{number}", large, later) is not None for number in (2, 1, 0)] == [True, True, False]


def test_a_removed_organization_is_forgotten() -> None:
    trends = Trends()
    trends.look("acme", counts(a=1), START)
    trends.forget("acme")
    assert trends.look("acme", counts(a=2), START) is None
