"""Histories of a register that can have been made one after the other, and histories that can't."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.linearizability import Operation, one_order


def wrote(value: int, requested: int, answered: int) -> Operation[int]:
    return Operation(requested, answered, lambda _: value, f"write {value}")


def read(value: int, requested: int, answered: int) -> Operation[int]:
    return Operation(requested, answered, lambda now: now if now == value else None, f"read {value}")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([], []),
        ([wrote(1, 0, 1), read(1, 2, 3)], ["write 1", "read 1"]),
        # Both orders of two writes at once are possible, and the reading tells which.
        ([wrote(1, 0, 9), wrote(2, 0, 9), read(1, 10, 11)], ["write 2", "write 1", "read 1"]),
        # A write may take effect before its answer.
        ([wrote(1, 0, 9), read(1, 1, 2)], ["write 1", "read 1"]),
        ([wrote(1, 0, 9), read(0, 1, 2)], ["read 0", "write 1"]),
        # An answered write is lost.
        ([wrote(1, 0, 1), read(0, 2, 3)], None),
        # A value is there, and then no longer.
        ([wrote(1, 0, 9), read(1, 1, 2), read(0, 3, 4)], None),
        # Nobody wrote it.
        ([wrote(1, 0, 9), read(2, 0, 9)], None),
    ],
)
def test_an_order_is_found_if_there_is_one(history: Sequence[Operation[int]], expected: list[str] | None) -> None:
    found = one_order(history, 0)
    assert (None if found is None else [each.text for each in found]) == expected


TIMES = st.tuples(st.integers(0, 8), st.integers(0, 8)).map(sorted)
OPERATIONS = st.builds(
    lambda make, value, times: make(value, *times), st.sampled_from([wrote, read]), st.integers(0, 2), TIMES
)


@given(st.lists(OPERATIONS, max_size=5))
def test_every_order_of_a_short_history_is_tried(history: list[Operation[int]]) -> None:
    def is_possible(order: Sequence[Operation[int]]) -> bool:
        state: int | None = 0
        for each in order:
            state = None if state is None else each.after(state)
        in_time = all(
            before.requested_ns <= after.answered_ns for at, before in enumerate(order) for after in order[at + 1 :]
        )
        return state is not None and in_time

    found = one_order(history, 0)
    assert (found is not None) is any(map(is_possible, permutations(history)))
    assert found is None or is_possible(found)


def test_long_histories_take_no_long_search() -> None:
    # 200 writes and readings, of which four are always under way.
    history = [
        operation
        for number in range(200)
        for operation in (wrote(number, 10 * number, 10 * number + 35), read(number, 10 * number + 5, 10 * number + 38))
    ]
    found = one_order(history, -1)
    assert found is not None
    assert all(one.text != other.text for one, other in pairwise(found))
