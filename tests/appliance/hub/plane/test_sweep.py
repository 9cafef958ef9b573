"""Pauses of the sweep between two checks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.plane.healing import rest

SECONDS = st.floats(1e-6, 10.0)
COUNTS = st.integers(1, 100_000)


@given(SECONDS, SECONDS, COUNTS)
def test_a_sweep_takes_a_tenth_of_a_core_at_most(worked: float, waited: float, organizations: int) -> None:
    took = worked + waited
    pause = rest(worked, took, organizations)
    # Nine parts of rest to each of work; the least bit less is floating point's.
    assert pause >= worked * 8.999
    assert (pause + took) * organizations <= max(5.001, (9.001 * worked + took) * organizations)


def test_a_sweep_of_few_organizations_takes_3_percent_of_a_core() -> None:
    # Ten looks of two milliseconds.
    assert rest(0.002, 0.002, 10) == 0.06


def test_a_check_waiting_for_a_processor_prolongs_no_round() -> None:
    # Forty looks of five milliseconds, each of which takes 60 on a busy machine.
    assert 40 * (rest(0.005, 0.06, 40) + 0.06) == pytest.approx(5.0)
