"""Sentences with their messages and values; refusals are made of them, never of texts filled in before."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from appliance.model import errors
from appliance.model.errors import Invalid, Refused
from appliance.model.expectations import ExpectationBroken
from appliance.model.organization import Plan
from appliance.model.sentences import numbered, sentence
from harness.paths import ROOT

_MAKERS = {"sentence", "numbered", "Sentence", "ExpectationBroken"} | {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Refused)
}


def test_a_sentence_is_said_in_english() -> None:
    assert str(sentence("{0} and {} stay as they are.")) == "{0} and {} stay as they are."
    assert str(sentence("The {plan} plan of {name}.", plan=Plan.FREE, name="{name}")) == "The free plan of {name}."
    assert str(sentence("Said: {it}", it=sentence("No {n}.", n=3))) == "Said: No 3."


@pytest.mark.parametrize(("n", "text"), [(0, "0 rules of a"), (1, "1 rule of a"), (2, "2 rules of a")])
def test_a_number_chooses_the_form(n: int, text: str) -> None:
    assert str(numbered("{n} rule of {name}", "{n} rules of {name}", n, name="a")) == text


def test_a_refusal_s_field_is_a_value_too() -> None:
    refusal = Invalid("The {field} has {count} letters.", field="name", count=3)
    assert refusal.detail == str(refusal) == "The name has 3 letters."
    assert (refusal.field, refusal.sentence.message) == ("name", "The {field} has {count} letters.")
    assert ExpectationBroken(sentence("No.")).detail == "No."


def filled_in(source: str) -> Iterator[int]:
    """Lists the lines of sentences and refusals whose message is no text as it stands in the code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            parts = [part for argument in node.args[:2] for part in ast.walk(argument)]
            if name in _MAKERS and any(isinstance(part, (ast.JoinedStr, ast.BinOp)) for part in parts):
                yield node.lineno


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ('Invalid(f"The {x} is empty.", field=x)', True),
        ('errors.Conflict("A " + name)', True),
        ('Conflict("A %s" % name)', True),
        ('numbered("{n} rule", f"{n} rules", n)', True),
        ('Invalid("The {x} is empty.", x=f"{a}b")', False),
        ("Invalid(_EMPTY)", False),
        ("Invalid(error.sentence)", False),
    ],
)
def test_a_message_that_is_filled_in_is_found(source: str, is_found: bool) -> None:
    assert bool([*filled_in(source)]) is is_found


def test_no_message_is_filled_in() -> None:
    files = sorted((ROOT / "appliance").rglob("*.py"))
    assert files
    assert [f"{file}:{line}" for file in files for line in filled_in(file.read_text())] == []
