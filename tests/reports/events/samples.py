"""Events of a made-up run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_type_hints

from hypothesis import strategies as st

from reports.events.board import Board, View
from reports.events.format import (
    VERSION,
    AnyEvent,
    EventsLost,
    MutantJudged,
    MutantsDrawn,
    Note,
    PlannedClaim,
    PlannedSabotage,
    RoundBegun,
    RunBegun,
    RunEnded,
    SabotageBegun,
    SabotageEnded,
    SaveAnswered,
    ScenarioBegun,
    ScenarioEnded,
    ScenarioPlanned,
    ScenarioRepeated,
    StreamBegun,
    StreamEnded,
    StreamFigures,
)

CLAIM, NAME, STREAM, SABOTAGE = "live-change", "test_x", "mumbai→pune", "flush-then-load"
BEGUN = RunBegun(
    version=VERSION,
    started_at="2026-03-01T12:30:59Z",
    profile="quick",
    seed=7,
    subject="the service",
    claims=[PlannedClaim(CLAIM, "Policy changes while traffic flows.")],
    sabotages=[PlannedSabotage(SABOTAGE, CLAIM, "the old rules go before the new ones come")],
)
PLANNED = ScenarioPlanned(claim=CLAIM, scenario=NAME, title="It works.", at=1.0)
RUNS = ScenarioBegun(claim=CLAIM, scenario=NAME, title="It works.", at=2.0)
FLOWS = StreamBegun(claim=CLAIM, scenario=NAME, stream=STREAM, at=2.1)
FIGURES = StreamFigures(claim=CLAIM, scenario=NAME, stream=STREAM, sent=1500, delivered=1234, denied=266, at=3.1)
STREAMED = StreamEnded(claim=CLAIM, scenario=NAME, stream=STREAM, sent=1600, delivered=1334, denied=266, at=3.2)
SAVED = SaveAnswered(claim=CLAIM, scenario=NAME, policy="default deny", ms=3.1, saves=4, slowest_ms=8.5, at=3.0)
PROVEN = ScenarioEnded(claim=CLAIM, scenario=NAME, verdict="proven", seconds=1.3, at=3.3)
BREAKS = SabotageBegun(sabotage=SABOTAGE, claim=CLAIM, at=0.5)
NOTICED = SabotageEnded(sabotage=SABOTAGE, claim=CLAIM, outcome="noticed", seconds=3.5, why="3 packets lost", at=4.0)
PASSES = RunEnded(verdict="pass", seconds=4.1, at=4.1)
RUN: tuple[AnyEvent, ...] = (BEGUN, BREAKS, PLANNED, RUNS, FLOWS, SAVED, FIGURES, STREAMED, PROVEN, NOTICED, PASSES)

_KINDS = (
    RunBegun,
    RoundBegun,
    ScenarioPlanned,
    ScenarioBegun,
    ScenarioEnded,
    ScenarioRepeated,
    StreamBegun,
    StreamFigures,
    StreamEnded,
    SaveAnswered,
    SabotageBegun,
    SabotageEnded,
    MutantsDrawn,
    MutantJudged,
    EventsLost,
    Note,
    RunEnded,
)


def _of_type(kind: Any) -> st.SearchStrategy[Any]:
    # JSON has no infinite numbers.
    return st.floats(allow_nan=False, allow_infinity=False) if kind is float else st.from_type(kind)


events: st.SearchStrategy[AnyEvent] = st.one_of(
    *(st.builds(kind, **{name: _of_type(each) for name, each in get_type_hints(kind).items()}) for kind in _KINDS)
)
"""Any event that a file could hold."""


def after(told: Sequence[AnyEvent]) -> Board:
    """Makes the board after these events."""
    board = Board()
    for event in told:
        board.apply(event)
    return board


def view_of(told: Sequence[AnyEvent]) -> View:
    """Returns what the board shows after these events."""
    return after(told).wait(-1, 0)
