"""Charts of the packets that a rule, or the default, decided about, with tables that say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from appliance.model.access import LOOK
from appliance.service import decided_packets
from appliance.service import policy as policies
from appliance.service.decided_packets import Course
from appliance.web.pages import words
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

WIDTH, HEIGHT = 720, 120
"""Size of a chart."""


@dataclass(frozen=True)
class Bar:
    """A step with packets, as a rectangle of the chart."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Chart:
    """Packets in steps of one length.

    Attributes:
        start: of the first step.
        most: packets of the step with the most.
        busiest: start of that step.
        bars: of the steps with packets.
        rows: start and packets of these steps, the latest first.
    """

    start: datetime
    total: int
    most: int
    busiest: datetime
    bars: list[Bar]
    rows: list[tuple[datetime, int]]


@dataclass(frozen=True)
class Charts:
    """Charts of the last hours and of the last days."""

    hours: Chart
    days: Chart
    WIDTH: int = WIDTH
    HEIGHT: int = HEIGHT


def charts(visit: Visit, rule: str | None) -> Charts:
    """Draw what a rule decided about; None is the default."""
    hours, days = decided_packets.courses(visit.context, visit.actor, rule)
    return Charts(chart_of(hours), chart_of(days))


def chart_of(course: Course) -> Chart:
    """Draw a course."""
    most = max(course.steps, default=0)
    return Chart(
        course.start,
        sum(course.steps),
        most,
        course.begin(course.steps.index(most)),
        list(_bars(course.steps, most)),
        [(course.begin(number), count) for number, count in enumerate(course.steps) if count][::-1],
    )


def _bars(steps: tuple[int, ...], most: int) -> Iterator[Bar]:
    width = WIDTH / len(steps)
    for number, count in enumerate(steps):
        if count:
            # One packet among millions is seen, too.
            height = max(1.0, HEIGHT * count / most)
            yield Bar(number * width, HEIGHT - height, width * 0.8, height)


def _show(visit: Visit) -> Response:
    saved = policies.get(visit.context, visit.actor)
    counts = policies.counters(visit.context, visit.actor).value
    return visit.page(
        "policy_default.html",
        default=saved.policy.default.value,
        decided=words.decided(counts.get(None)),
        charts=charts(visit, None),
    )


PAGES = (Page("GET", "/policy/default", _show, access=LOOK),)
