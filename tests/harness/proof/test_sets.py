"""Sets of atoms: universes, and boxes that elements and merging split and join."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.proof.classes import PacketClass, merged
from harness.proof.fields import Variable
from harness.proof.intervals import IntervalSet
from harness.proof.partition import Box, partition
from harness.proof.universe import Universe, ones

_LAST = 40
INTERVALS = st.lists(
    st.tuples(st.integers(0, _LAST), st.integers(0, _LAST)).map(lambda ends: (min(ends), max(ends))), max_size=6
)
BITS = st.integers(1, 15)
BOXES = st.tuples(BITS, BITS, BITS)


@given(INTERVALS)
def test_an_interval_set_has_the_values_of_its_intervals(intervals: list[tuple[int, int]]) -> None:
    joined = IntervalSet.of(intervals)
    assert [value in joined for value in range(_LAST + 2)] == [
        any(first <= value <= last for first, last in intervals) for value in range(_LAST + 2)
    ]
    assert all(last + 1 < first for (_, last), (first, _) in zip(joined.intervals, joined.intervals[1:], strict=False))


@given(INTERVALS)
def test_cuts_are_unions_of_atoms(cuts: list[tuple[int, int]]) -> None:
    universe = Universe([(0, _LAST)], cuts)
    assert universe.intervals(universe.everything) == ((0, _LAST),)
    for first, last in cuts:
        bits = universe.atoms_in([(first, last)])
        assert universe.intervals(bits) == ((first, last),)
        assert universe.first(bits) == first


def test_an_atom_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="cuts an atom"):
        Universe([(0, _LAST)], [(3, 9)]).atoms_in([(4, 9)])


@given(BOXES, st.lists(st.tuples(BOXES, st.integers(0, 2)), max_size=6))
def test_each_point_is_in_one_part_with_its_first_element(box: Box, elements: list[tuple[Box, int]]) -> None:
    parts = partition(box, elements)
    for point in product(*map(ones, box)):
        found = [value for part, value in parts if _has(part, point)]
        first = next((value for element, value in elements if _has(element, point)), None)
        assert found == [first]
    assert all(not part_bits & ~bits for part, _ in parts for part_bits, bits in zip(part, box, strict=True))


@given(st.lists(BOXES, max_size=8))
def test_merging_keeps_the_points(boxes: list[Box]) -> None:
    joined = merged(_class(box) for box in boxes)
    assert len(joined) <= len(boxes)
    for point in product(range(4), repeat=3):
        assert any(_has(box, point) for box in boxes) is any(_has(each.sets[2:5], point) for each in joined)


def test_classes_with_other_marks_stay_apart() -> None:
    assert len(merged([_class((1, 1, 1)), _class((2, 1, 1), mark=1)])) == 2
    assert len(merged([_class((1, 1, 1)), _class((2, 1, 1))])) == 1


def _has(box: tuple[int, ...], point: tuple[int, ...]) -> bool:
    return all(bits & 1 << at for bits, at in zip(box, point, strict=True))


def _class(box: Box, mark: int = 0) -> PacketClass:
    sets = [1] * len(Variable)
    sets[2:5] = box
    return PacketClass(tuple(sets), (mark, 0, 0))
