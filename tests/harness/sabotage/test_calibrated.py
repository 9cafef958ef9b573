"""Ids and bounds of calibrated sabotages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sabotage import calibrated, catalogue
from harness.sabotage.calibrated import KINDS, BadValue, Kind
from tests.waiting import DEADLINE

kinds = st.sampled_from(KINDS)


@given(kinds, st.integers(-10, 10**12))
def test_a_value_is_what_its_id_says_or_out_of_bounds(kind: Kind, value: int) -> None:
    if kind.least <= value <= kind.most:
        assert calibrated.parse(kind.sabotage_id(value)) == (kind, value)
    else:
        with pytest.raises(BadValue, match=f"^The sabotage {kind.name} takes a whole number from .*, not '{value}'.$"):
            calibrated.parse(kind.sabotage_id(value))


@given(kinds, st.text(max_size=8))
def test_a_value_is_a_plain_number(kind: Kind, text: str) -> None:
    try:
        found = calibrated.parse(f"{kind.name}:{text}")
    except BadValue:
        return
    assert found is not None
    assert int(text) == found[1]
    assert text.isascii()
    assert text.isdecimal()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
def test_a_kind_goes_from_large_faults_to_small_ones(kind: Kind) -> None:
    assert list(kind.values) == sorted(kind.values, reverse=not kind.is_share)
    assert all(kind.least <= value <= kind.most for value in kind.values)
    assert kind.broke.format(5) != kind.broke


REFUSALS = {
    "no-such-thing": "There is no sabotage 'no-such-thing'.",
    "late": "There is no sabotage 'late'.",
    "late:0": "The sabotage late takes a whole number from 1 to 10000, not '0'.",
    "leak:1": "The sabotage leak takes a whole number from 2 to 1000000, not '1'.",
    "leak:many": "The sabotage leak takes a whole number from 2 to 1000000, not 'many'.",
}


@pytest.mark.parametrize("sabotage", REFUSALS)
def test_an_unknown_sabotage_is_refused_in_one_sentence(sabotage: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is compared
        catalogue.check(sabotage)
    assert str(refused.value) == REFUSALS[sabotage]


# One id of each refusal that the command meets.
@pytest.mark.long
@pytest.mark.parametrize("sabotage", ["late", "leak:many"])
def test_a_command_with_an_unknown_sabotage_prints_why(sabotage: str) -> None:
    command = [sys.executable, "-m", "harness.sabotage", sabotage, "up"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert (done.returncode, done.stdout, done.stderr) == (64, "", f"{REFUSALS[sabotage]}\n")
