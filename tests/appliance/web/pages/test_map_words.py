"""Texts of the map's picture, which have little room."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web.pages import words


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (3_449_000, "3.4M"),
        (9_960_000, "10M"),
        (2**63, "9.2E"),
    ],
)
def test_large_numbers_become_short(count: int, text: str) -> None:
    assert words.short_count(count) == text


@given(st.integers(0, 2**64))
def test_short_numbers_have_few_characters(count: int) -> None:
    assert len(words.short_count(count)) <= 6


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("branch-mumbai", "branch-mumbai"),
        ("sixteen-columns!", "sixteen-columns!"),
        ("seventeen-columns", "seventeen-colum…"),
    ],
)
def test_long_names_are_cut(text: str, fitted: str) -> None:
    assert words.fitted(text, 16) == fitted


@given(st.text(max_size=40), st.integers(1, 20))
def test_cut_names_fit_and_begin_alike(text: str, columns: int) -> None:
    found = words.fitted(text, columns)
    assert sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in found) <= columns
    assert found == text or (found.endswith("…") and text.startswith(found[:-1]))
