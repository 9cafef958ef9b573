"""Bounds on shares: known values, and what they promise."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.chances import clopper_pearson, fewer_than, upper_bound


@pytest.mark.parametrize(("of", "share"), [(1, 0.95), (10, 0.2588656), (100, 0.0295130), (12_000, 0.000249613)])
def test_none_of_some_has_a_known_upper_bound(of: int, share: float) -> None:
    assert upper_bound(of) == pytest.approx(share, rel=1e-5)


@given(st.integers(1, 10**9))
def test_that_share_is_missed_in_one_sample_of_twenty(of: int) -> None:
    assert math.exp(of * math.log1p(-upper_bound(of))) == pytest.approx(0.05, rel=1e-6)
    assert upper_bound(of) <= 3 / of


@pytest.mark.parametrize(
    ("of", "times"), [(0, None), (4, None), (5, 2), (60, 20), (300, 100), (12_000, 4000), (1_000_000, 330_000)]
)
def test_a_bound_in_words_is_rounded_to_the_safe_side(of: int, times: int | None) -> None:
    assert fewer_than(of) == times


@given(st.integers(5, 10**9))
def test_a_bound_in_words_promises_no_more_than_was_shown(of: int) -> None:
    times = fewer_than(of)
    assert times is not None
    assert 1 / times >= upper_bound(of)
    assert times >= 0.9 * int(1 / upper_bound(of)) or times < 20


# From the tables of Clopper and Pearson's interval (R, binom.test).
@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.3084971),
        (10, 10, 0.6915029, 1.0),
        (5, 10, 0.1870860, 0.8129140),
        (19, 20, 0.7512672, 0.9987349),
        (20, 20, 0.8315665, 1.0),
        (1, 1, 0.025, 1.0),
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(found: int, of: int, low: float, high: float) -> None:
    assert clopper_pearson(found, of) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_an_interval_contains_the_share_and_is_symmetrical(counts: tuple[int, int]) -> None:
    found, of = counts
    low, high = clopper_pearson(found, of)
    assert 0 <= low <= found / of <= high <= 1
    other = clopper_pearson(of - found, of)
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high))
