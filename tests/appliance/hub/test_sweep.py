"""How long a sweep rests between two looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.healing import rest

SECONDS = st.floats(1e-6, 10.0)
COUNTS = st.integers(1, 100_000)


@given(SECONDS, COUNTS)
def test_a_sweep_takes_a_tenth_of_a_core_at_most_and_no_round_longer_than_that_asks_for(
    worked: float, organizations: int
) -> None:
    pause = rest(worked, organizations)
    # Nine parts of rest to each of work; the least bit less is floating point's.
    assert pause >= worked * 8.999
    assert pause * organizations <= max(8.0, 9.001 * worked * organizations)


def test_few_cost_three_hundredths() -> None:
    # Ten looks of two milliseconds.
    assert rest(0.002, 10) == 0.06
