"""Numbers, amounts and times by the conventions of a language."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from appliance.languages import formats
from appliance.web.languages import serving
from appliance.web.request import Request

AT = datetime(2026, 11, 30, 14, 5, 9, tzinfo=timezone.utc)


def said(language: str, make: Callable[[], str]) -> str:
    with serving(Request("GET", "/", headers={"accept-language": language}), AT):
        return make().replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("language", "number", "amount", "moment"),
    [
        ("en", "1,234,567", "₹1,234.50", "30 Nov 2026, 14:05 UTC"),
        ("en-IN", "12,34,567", "₹1,234.50", "30 Nov 2026, 2:05 pm UTC"),
        ("hi", "12,34,567", "₹1,234.50", "30 नव॰ 2026, 2:05 pm UTC"),
    ],
)
def test_each_language_has_its_conventions(language: str, number: str, amount: str, moment: str) -> None:
    assert said(language, lambda: formats.number(1234567)) == number
    assert said(language, lambda: formats.rupees(123450)) == amount
    assert said(language, lambda: formats.moment(AT)).replace("PM", "pm") == moment


def test_numbers_have_as_many_decimals_as_wanted() -> None:
    assert [formats.number(1234.56, decimals=decimals) for decimals in (0, 1, 3)] == ["1,235", "1,234.6", "1,234.560"]
    assert [formats.number(value, decimals=1) for value in (0, 66.64, 998, 999.96, 1000)] == [
        *("0.0", "66.6", "998.0", "1,000.0", "1,000.0")
    ]
    assert said("en-IN", lambda: formats.whole_rupees(5855247337)) == "₹5,85,52,47,337"


def test_days_and_clocks_are_in_utc() -> None:
    assert (formats.day(AT), formats.clock(AT)) == ("30 Nov 2026", "14:05:09 UTC")


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_texts_are_listed(items: list[str], text: str) -> None:
    assert formats.listed(items) == text


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "en-IN", "hi"])
def test_no_file_is_read_once_the_languages_are_loaded(language: str) -> None:
    # In a process of its own: what one test has read, Babel keeps for all.
    program = f"""
import builtins, io, os
from datetime import datetime, timezone
from appliance import languages
from appliance.languages import formats
from appliance.web.languages import serving
from appliance.web.request import Request
languages.loaded()
def refuse(*_, **__):
    raise PermissionError
builtins.open = io.open = os.open = os.listdir = refuse
with serving(Request("GET", "/", headers={{"accept-language": "{language}"}}), datetime.now(timezone.utc)):
    at = datetime(2026, 11, 30, tzinfo=timezone.utc)
    said = formats.number(1.5, decimals=1), formats.rupees(1), formats.whole_rupees(1), formats.listed(["a", "b"])
    said += formats.moment(at), formats.day(at), formats.clock(at)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
