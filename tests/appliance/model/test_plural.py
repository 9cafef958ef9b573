"""Counts with the fitting form of their noun."""

from __future__ import annotations

import pytest

from appliance.model.plural import counted, plural


@pytest.mark.parametrize(("count", "expected"), [(0, "0 rules"), (1, "1 rule"), (2, "2 rules"), (21, "21 rules")])
def test_only_the_count_one_is_singular(count: int, expected: str) -> None:
    assert counted(count, "rule") == expected


def test_an_irregular_plural_is_used_as_given() -> None:
    assert [plural(count, "is", "are") for count in (0, 1, 2)] == ["are", "is", "are"]
