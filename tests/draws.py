"""Tests of which a run with ``--draw=NUMBER`` runs some only; another number draws others.

``@pytest.mark.drawn("look")`` on a parametrized test keeps one value of its parameter ``look`` for each combination of
its other parameters. ``@pytest.mark.long`` is for tests that take seconds: one of `SHARE` of them is kept.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import pytest

_Item = TypeVar("_Item", bound=pytest.Item)

MARK, LONG = "drawn", "long"
SHARE = 4
"""A run keeps one of so many long tests."""


def draw(items: Sequence[_Item], number: int) -> list[_Item]:
    """Returns the tests that the number draws, in their order; the same ones for the same number.

    Raises:
        pytest.UsageError: a mark names a parameter that its test does not have.
    """
    groups = defaultdict(list)
    for item in items:
        groups[_group(item)].append(item)
    kept = {random.Random(f"{number} {cases[0].nodeid}").choice(cases) for cases in groups.values()}
    long = [item for item in items if item in kept and item.get_closest_marker(LONG) is not None]
    left = set(long).difference(long[number % SHARE :: SHARE])
    return [item for item in items if item in kept and item not in left]


def _group(item: pytest.Item) -> tuple[object, ...]:
    """Tells what the cases have in common of which one is drawn; a test without the mark is alone."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        return (item.nodeid,)
    values = dict(item.callspec.params) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    for name in mark.args:
        if name not in values:
            raise pytest.UsageError(f"{item.nodeid} draws a parameter that it does not have: {name}")
        del values[name]
    # Not every value can be hashed or compared, and all cases with a value have the same object.
    return (item.nodeid.partition("[")[0], *((name, id(value)) for name, value in values.items()))
