"""Drawing of a history: a lane for each row, with its ratio in each run and its goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

from harness.bench.goals import GOALS, Goal
from harness.bench.history import Run
from reports.charts import WIDTH

LANE = 40
_HEAD = 26
_LEFT, _RIGHT = 260, 80
_MARGIN = 8
"""Pixels that a line keeps from the edge of its lane."""

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("harness.bench", ""),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


@dataclass(frozen=True)
class Point:
    """A run's ratio.

    Attributes:
        x, y: place in the drawing.
        value: the ratio.
        text: run and ratio in words.
    """

    x: float
    y: float
    value: float
    text: str


@dataclass(frozen=True)
class Lane:
    """Drawing of one row.

    Attributes:
        top: upper edge.
        limit: height of the goal's line.
        points: runs that measured it, from the oldest to the newest.
        last: newest ratio.
        met: True if that keeps the goal.
    """

    goal: Goal
    top: float
    limit: float
    points: tuple[Point, ...]
    last: float
    met: bool


def draw(runs: Sequence[Run]) -> str:
    """Returns a history as SVG, light or dark as the reader prefers."""
    found = lanes(runs)
    ends = f"{runs[0].at[:10]} to {runs[-1].at[:10]}" if runs else "no run"
    return _environment.get_template("history.svg").render(
        lanes=found,
        width=WIDTH,
        height=_HEAD + LANE * len(found),
        lane=LANE,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        ends=ends,
    )


def lanes(runs: Sequence[Run]) -> list[Lane]:
    """Returns the lanes of the rows that some run measured, in the order of `GOALS`."""
    found: list[Lane] = []
    for goal in GOALS:
        values = [(number, row.value) for number, run in enumerate(runs) for row in run.rows if row.id == goal.id]
        measured = [(number, value) for number, value in values if value is not None]
        if measured:
            found.append(_lane(goal, measured, runs, _HEAD + LANE * len(found)))
    return found


def _lane(goal: Goal, measured: Sequence[tuple[int, float]], runs: Sequence[Run], top: float) -> Lane:
    every = [goal.limit, *(value for _, value in measured)]
    least, extent = min(every), (max(every) - min(every)) or 1.0
    width = WIDTH - _LEFT - _RIGHT - 2 * _MARGIN

    def y(value: float) -> float:
        return round(top + LANE - _MARGIN - (value - least) / extent * (LANE - 2 * _MARGIN), 1)

    def x(number: int) -> float:
        return round(_LEFT + _MARGIN + width * (number / (len(runs) - 1) if len(runs) > 1 else 0.5), 1)

    points = tuple(Point(x(number), y(value), value, f"{runs[number].at}: {value:.3g}") for number, value in measured)
    last = measured[-1][1]
    return Lane(goal, top, y(goal.limit), points, last, goal.met_by(last))
