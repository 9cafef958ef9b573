"""Splitting a product of sets by the elements of a lookup."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import itemgetter
from typing import TypeVar

V = TypeVar("V", bound=Hashable)

Box = tuple[int, ...]
"""A product of sets: the atoms of each dimension, as bits."""


def partition(box: Box, elements: Sequence[tuple[Box, V]]) -> list[tuple[Box, V | None]]:
    """Splits a box into boxes whose points all have the same first element; None where no element is.

    Values of a dimension that lead to the same parts in the others stay together, so the number of parts depends on how
    many kinds of values there are and not on how many values. Costs, for each dimension, the sum of the elements over
    the groups of the dimension before.
    """
    if not box:
        return [((), elements[0][1] if elements else None)]
    together: dict[tuple[tuple[Box, V | None], ...], int] = {}
    rest = box[1:]
    for bits, inner in _groups(box[0], elements):
        parts = tuple(partition(rest, inner))
        together[parts] = together.get(parts, 0) | bits
    return [((bits, *other), value) for parts, bits in together.items() for other, value in parts]


def _groups(bits: int, elements: Sequence[tuple[Box, V]]) -> list[tuple[int, list[tuple[Box, V]]]]:
    """Sets of values of the first dimension that meet the same elements, with the rest of those."""
    of_set: dict[int, list[tuple[int, Box, V]]] = {}
    for at, ((first, *rest), value) in enumerate(elements):
        if met := first & bits:
            of_set.setdefault(met, []).append((at, tuple(rest), value))
    # Sets that overlap cut each other; mostly none do.
    groups: list[tuple[int, list[tuple[int, Box, V]]]] = []
    left = bits
    for met, own in of_set.items():
        if met & ~left:
            cut: list[tuple[int, list[tuple[int, Box, V]]]] = []
            for group, others in groups:
                if both := group & met:
                    cut.append((both, others + own))
                if only := group & ~met:
                    cut.append((only, others))
            groups = cut
        if fresh := met & left:
            groups.append((fresh, own))
            left &= ~met
    found = [(group, [(rest, value) for _, rest, value in sorted(of, key=itemgetter(0))]) for group, of in groups]
    return [*found, (left, [])] if left else found
