"""Board of a run: states of scenarios and sabotages, and bounds that hold for any file."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reports.events import board as boards
from reports.events.board import MOST_ROWS, MOST_STREAMS, NOT_RUN, PLANNED, RUNNING, Board
from reports.events.format import (
    AnyEvent,
    EventsLost,
    MutantJudged,
    MutantsDrawn,
    RoundBegun,
    ScenarioBegun,
    ScenarioRepeated,
)
from tests.reports.events import samples
from tests.reports.events.samples import (
    BEGUN,
    BREAKS,
    FIGURES,
    FLOWS,
    NOTICED,
    PASSES,
    PROVEN,
    RUN,
    RUNS,
    SAVED,
    STREAMED,
    view_of,
)


def test_a_scenario_is_planned_then_runs_then_has_a_verdict() -> None:
    states = [view_of(RUN[: RUN.index(last) + 1]).scenarios[0].state for last in (samples.PLANNED, RUNS, SAVED, PROVEN)]
    assert states == [PLANNED, RUNNING, RUNNING, "proven"]


def test_a_scenario_has_figures_of_its_streams_and_saves() -> None:
    (row,) = view_of((BEGUN, RUNS, FLOWS, SAVED, FIGURES)).scenarios
    (stream,) = row.streams
    assert (stream.name, stream.sent, stream.delivered, stream.denied) == ("mumbai→pune", 1500, 1234, 266)
    assert row.save == SAVED
    (row,) = view_of((BEGUN, RUNS, FLOWS, FIGURES, replace(STREAMED, late=2, lost=1))).scenarios
    assert (row.streams[0].sent, row.streams[0].ended, row.streams[0].wrong) == (1600, True, 3)


def test_streams_of_one_name_follow_each_other() -> None:
    (row,) = view_of((BEGUN, RUNS, FLOWS, STREAMED, FLOWS, FIGURES)).scenarios
    assert [each.sent for each in row.streams] == [1600, 1500]


def test_a_sabotage_is_planned_then_runs_then_has_an_outcome() -> None:
    states = [view_of(told).sabotages[0].state for told in ((BEGUN,), (BEGUN, BREAKS), (BEGUN, BREAKS, NOTICED))]
    assert states == [PLANNED, RUNNING, "noticed"]


def test_mutants_are_counted_by_their_verdict() -> None:
    told = [MutantJudged(mutant=f"m{at}", verdict=word) for at, word in enumerate(("noticed", "survived", "noticed"))]
    view = view_of((BEGUN, MutantsDrawn(count=4), *told, MutantJudged(mutant="m3", verdict="a word of later")))
    assert (view.mutants, view.judged) == (4, {"noticed": 2, "survived": 1, "undecided": 1})


def test_a_second_run_does_not_hide_the_first_verdict() -> None:
    refuted = replace(PROVEN, verdict="refuted", why="3 packets lost")
    again = ScenarioRepeated(claim=PROVEN.claim, scenario=PROVEN.scenario, verdict="proven")
    (row,) = view_of((BEGUN, RUNS, refuted, again)).scenarios
    assert (row.state, row.again) == ("refuted", "proven")


def test_a_further_round_runs_the_scenario_anew() -> None:
    view = view_of((BEGUN, RUNS, FLOWS, SAVED, STREAMED, PROVEN, RoundBegun(number=2, seed=8), RUNS))
    (row,) = view.scenarios
    assert (row.state, row.streams, row.save) == (RUNNING, (), None)
    assert view.round == RoundBegun(number=2, seed=8)


def test_what_the_end_leaves_open_was_not_run() -> None:
    view = view_of((BEGUN, RUNS, BREAKS, PASSES))
    assert (view.scenarios[0].state, view.sabotages[0].state, view.is_over) == (NOT_RUN, NOT_RUN, True)


def test_a_run_without_an_end_is_cut() -> None:
    board = Board()
    board.apply(BEGUN)
    board.cut()
    assert board.wait(-1, 0).is_cut
    board.apply(PASSES)
    board.cut()
    assert not board.wait(-1, 0).is_cut


def test_lost_events_are_counted() -> None:
    assert view_of((BEGUN, EventsLost(count=3), EventsLost(count=4), EventsLost(count=-9))).lost == 7


def test_the_shape_changes_with_new_rows_only() -> None:
    before = view_of((BEGUN, samples.PLANNED))
    assert view_of((BEGUN, samples.PLANNED, RUNS, FLOWS, FIGURES, NOTICED)).shape == before.shape
    assert view_of((BEGUN, samples.PLANNED, replace(RUNS, scenario="test_y"))).shape > before.shape


def test_a_reader_waits_for_a_later_change() -> None:
    board = Board()
    board.apply(BEGUN)
    known = board.wait(-1, 0).change
    thread = threading.Timer(0.05, board.apply, (RUNS,))
    thread.start()
    assert board.wait(known, 60).scenarios[0].state == RUNNING
    thread.join()
    assert board.wait(board.wait(-1, 0).change, 0).run == BEGUN


def test_rows_claims_and_streams_are_bounded() -> None:
    board = Board()
    for number in range(MOST_ROWS + 5):
        board.apply(replace(RUNS, scenario=f"test_{number}"))
        board.apply(replace(BREAKS, sabotage=f"break-{number}"))
    for number in range(MOST_STREAMS + 5):
        board.apply(replace(FLOWS, scenario="test_0", stream=f"stream {number}"))
    for number in range(1000):
        board.apply(ScenarioBegun(claim=f"claim-{number}", scenario="test_x"))
    view = board.wait(-1, 0)
    assert (len(view.scenarios), len(view.sabotages), len(view.scenarios[0].streams)) == (
        MOST_ROWS,
        MOST_ROWS,
        MOST_STREAMS,
    )
    assert len(view.claims) == boards.MOST_CLAIMS


@pytest.mark.long
@given(st.lists(samples.events, max_size=12))
def test_any_events_in_any_order_make_a_board(told: list[AnyEvent]) -> None:
    view = view_of(told)
    ids = [*(row.id for row in view.scenarios), *(row.id for row in view.sabotages)]
    assert len(set(ids)) == len(ids)
    assert all(row.claim in view.claims for row in view.scenarios)
