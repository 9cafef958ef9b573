"""Numbers worded for people, and texts without hidden characters."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.texts import duration, figure, limit, printable


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 µs"),
        (0.00034, "340 µs"),
        (0.00099996, "1 ms"),
        (0.012, "12 ms"),
        (0.9994, "999 ms"),
        (0.99996, "1 s"),
        (3.2, "3.2 s"),
        (59.96, "60 s"),
        (125.0, "2 min 5 s"),
        (3600.0, "60 min 0 s"),
    ],
)
def test_durations_have_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(0, 1e6))
def test_a_duration_has_three_digits(seconds: float) -> None:
    words = duration(seconds)
    if found := re.fullmatch(r"(\d+) min (\d+) s", words):
        assert 0 <= seconds - int(found[1]) * 60 - int(found[2]) < 1
        return
    number, _, unit = words.partition(" ")
    # No exponents: nobody reads 1e+03 ms.
    assert re.fullmatch(r"\d{1,4}(\.\d+)?", number)
    told = float(number) * {"µs": 1e-6, "ms": 1e-3, "s": 1.0}[unit]
    assert abs(told - seconds) <= max(seconds * 0.005, 0.5e-6) * 1.0001


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        (7, "7"),
        (-1234567, "-1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"),
        (0.123456, "0.1235"),
        ("wireguard-go", "wireguard-go"),
        ([1, True, "x"], "1, yes, x"),
        ({"value": 0.25, "unit": "s"}, "250 ms"),
        ({"value": 1200, "unit": "packets", "limit": 0}, "1\N{NARROW NO-BREAK SPACE}200 packets"),
        ({"value": 3, "unit": ""}, "3"),
        ({"value": 0, "unit": "", "of": 12000}, "0 of 12\u202f000: fewer than 1 in 4\u202f000"),
        ({"value": 0, "unit": "packets", "of": 300}, "0 of 300 packets: fewer than 1 in 100"),
        ({"value": 2, "unit": "packets", "of": 300}, "2 of 300 packets"),
        ({"value": 0, "unit": "", "of": 3}, "0 of 3"),
        ({"value": 0, "unit": "", "of": "some"}, "0"),
        ({"value": None, "unit": "s"}, "none s"),
        ({"value": 5, "unit": None}, "5"),
        ({"other": 1}, "{'other': 1}"),
    ],
)
def test_figures_have_their_unit(value: object, words: str) -> None:
    assert figure(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(7, ""), ({"value": 7, "unit": ""}, ""), ({"value": 7, "limit": 0}, "0"), ({"value": 7, "limit": ">= 5"}, ">= 5")],
)
def test_limits_are_shown_where_there_are_any(value: object, words: str) -> None:
    assert limit(value) == words


@given(st.text())
def test_printable_text_has_no_control_character(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    acting = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not {c for c in shown if unicodedata.category(c) in acting} - {"\n", "\t"}
    assert printable(shown) == shown


@given(st.integers())
def test_figures_stay_as_they_are_when_made_printable(number: int) -> None:
    assert printable(figure(number)) == figure(number)


@pytest.mark.parametrize("text", ["branch-mumbai", "मुंबई कार्यालय", "a → b", "line\n\tindented", "no\u00a0break", "😀"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", ["\x1b[2J", "\x00", "\r", "\x7f", "\x9b", "\u202e", "\u2028", "\ud800", "\ufffe"])
def test_control_characters_are_replaced(text: str) -> None:
    assert printable(text)[0] == "\N{REPLACEMENT CHARACTER}"
