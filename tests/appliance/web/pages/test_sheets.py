"""Cells of a CSV file are text, whoever chose the name."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web.pages.sheets import cell, download


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', "\uff1d1", "\t=1"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert cell(text) == "'" + text


@pytest.mark.parametrize("value", ["branch-mumbai", "a=b", "मुंबई", 'quote " and , comma', "", -5, 0, "1,5"])
def test_other_values_are_as_they_are(value: object) -> None:
    assert cell(value) == value


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_cells_stay_apart(texts: list[str]) -> None:
    answer = download("x.csv", ["a"], [texts])
    _, row = csv.reader(io.StringIO(answer.body.decode("utf-8"), newline=""))
    assert row == [cell(text) for text in texts]
    assert not any(each.startswith(("=", "+", "-", "@")) for each in row)
