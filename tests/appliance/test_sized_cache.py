"""A cache within its number and its size, whoever fills it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.sized_cache import SizedCache

NAMES = st.sampled_from("abcdefgh")


def test_the_entry_used_longest_ago_is_dropped_first() -> None:
    cache: SizedCache[int] = SizedCache(2, 100)
    for name in ("a", "b"):
        cache.keep(name, 1, 1)
    assert cache.get("a") == 1
    cache.keep("c", 1, 1)
    assert [cache.get(name) for name in "abc"] == [1, None, 1]


def test_small_entries_outlast_any_number_of_large_ones() -> None:
    cache: SizedCache[int] = SizedCache(500, 1000)
    for number in range(20):
        cache.keep(f"small{number}", number, 5)
    for number in range(100):
        cache.keep(f"large{number}", number, 300)
    assert [cache.get(f"small{number}") for number in range(20)] == list(range(20))
    # The newest of the large ones are there, so one that is used again and again is not made anew each time.
    assert [number for number in range(100) if cache.get(f"large{number}") is not None] == [97, 98, 99]


def test_an_entry_beyond_the_whole_size_drops_no_other() -> None:
    cache: SizedCache[int] = SizedCache(500, 1000)
    cache.keep("small", 1, 5)
    cache.keep("huge", 2, 1001)
    assert (cache.get("small"), cache.get("huge"), cache.size) == (1, None, 5)


def test_a_replaced_or_taken_entry_counts_no_longer() -> None:
    cache: SizedCache[int] = SizedCache(500, 1000)
    for size in (10, 900, 20):
        cache.keep("a", size, size)
    assert (cache.get("a"), cache.size) == (20, 20)
    assert cache.take("a") == 20
    assert (cache.take("a"), cache.size, len(cache)) == (None, 0, 0)


@given(st.lists(st.tuples(NAMES, st.integers(0, 60))))
def test_number_and_size_are_never_exceeded(kept: list[tuple[str, int]]) -> None:
    cache: SizedCache[int] = SizedCache(3, 100)
    for name, size in kept:
        cache.keep(name, size, size)
        assert len(cache) <= 3
        assert cache.size == sum(cache.get(each) or 0 for each in "abcdefgh") <= 100
