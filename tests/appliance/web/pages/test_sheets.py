"""Cells of CSV files, which never contain formulas."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.web.pages.sheets import cell, download

TEXTS = st.text(
    st.one_of(st.sampled_from(" \"',;|\t\n\r=+-@\uff1d1a"), st.characters(exclude_categories=["Cs"])), max_size=12
)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', "\uff1d1", "\t1"])
def test_formulas_become_text(text: str) -> None:
    assert cell(text) == "'" + text


@pytest.mark.parametrize(
    "value", ["branch-mumbai", "a=b", "मुंबई", 'quote " and , comma', "", -5, 0, "1,5", "a;b", "it's; so"]
)
def test_values_that_are_no_formulas_stay_unchanged(value: object) -> None:
    assert cell(value) == value


@pytest.mark.parametrize("text", ["branch;=1+1", 'branch;"=1+1"', "branch\t=1", "branch|@SUM(A1)", "a; +1"])
def test_formulas_after_another_locale_s_separator_become_text(text: str) -> None:
    after = next(at for at, letter in enumerate(text) if letter in ";\t|") + 1
    assert cell(text) == f"{text[:after]}'{text[after:]}"


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_cells_are_read_back_as_written(texts: list[str]) -> None:
    answer = download("x.csv", ["a"], [texts])
    _, row = csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline=""))
    assert row == [cell(text) for text in texts]


@given(TEXTS)
def test_a_file_begins_with_one_byte_order_mark(text: str) -> None:
    """Checks for one mark at the beginning, by which Excel recognizes UTF-8, and for none within a cell."""
    body = download("x.csv", ["a"], [[text], ["मुंबई"]]).body
    assert body.startswith(b"\xef\xbb\xbfa\r\n")
    assert body.endswith("मुंबई\r\n".encode())


@given(st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from(",;|\t"), st.booleans())
@example(["branch;=1+1"], ";", False)
@example(['branch;"=1+1"'], ";", False)
def test_no_reader_finds_a_formula(texts: list[str], separator: str, knows_quotes: bool) -> None:
    """Reads every cell with every separator, with quotes understood or not."""
    text = download("x.csv", ["a"], [texts]).body.decode("utf-8-sig")
    lines = io.StringIO(text, newline="")
    quoted = csv.reader(lines, delimiter=separator)
    plain = csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)
    for row in quoted if knows_quotes else plain:
        assert not [each for each in row if each.lstrip(' "').startswith(("=", "+", "-", "@", "\uff1d"))]
