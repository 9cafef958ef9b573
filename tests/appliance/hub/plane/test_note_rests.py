"""Rests between two notings of where an organization's machines are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.plane.note_rests import NoteRests

_PAUSES = st.lists(st.tuples(st.floats(0, 20), st.floats(0, 2)), min_size=20, max_size=100)


def test_rests_in_a_row_are_longer_and_longer() -> None:
    rests, now, found = NoteRests(), 100.0, []
    for _ in range(8):
        found.append(rests.begin("one", now, now) - now)
        now = rests.end_of("one")
    assert found == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert rests.begin("other", now, now) == pytest.approx(now + 0.1)
    # Somebody who is quiet for a while is noted soon again, with those who follow.
    assert rests.begin("one", now + 4.9, now + 4.9) == pytest.approx(now + 9.9)
    now = rests.end_of("one") + 5.1
    assert rests.begin("one", now, now) == pytest.approx(now + 0.1)


def test_a_rest_is_nine_times_as_long_as_its_noting() -> None:
    rests = NoteRests()
    assert rests.begin("one", 100.0, 102.0) == pytest.approx(120.0)
    assert rests.begin("one", 120.0, 120.0) == pytest.approx(120.2)


@given(_PAUSES)
def test_notings_take_a_tenth_of_the_time_at_most(pauses: list[tuple[float, float]]) -> None:
    """Asks as soon as it helps or later, also after pauses that end a row; notings in all that time are few, too."""
    rests, now, worked = NoteRests(), 100.0, 0.0
    for late, work in pauses:
        began = max(now, rests.end_of("one")) + late
        now = began + work
        worked += work
        end = rests.begin("one", began, now)
        assert end - began >= 9.999 * work
    assert worked <= (rests.end_of("one") - 100.0) / 9.999
    assert len(pauses) <= 7 + (now - 100.0) / 1.6


def test_organizations_that_are_quiet_are_forgotten() -> None:
    rests = NoteRests()
    for number in range(1000):
        rests.begin(str(number), 100.0 + number, 100.0 + number)
    assert [bool(rests.end_of(str(number))) for number in (0, 500, 999)] == [False, False, True]
