"""Drawing of the bench's history."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as some

from harness.bench.beside import Measured
from harness.bench.chart import LANE, draw, lanes
from harness.bench.goals import GOALS, rows
from harness.bench.history import Run, load
from harness.paths import ROOT
from reports.charts import WIDTH
from tests import properties

SVG = "{http://www.w3.org/2000/svg}"
IDS = [goal.id for goal in GOALS]
MEASURED = some.dictionaries(some.sampled_from(IDS), some.floats(0.0, 1000.0), max_size=6)
HISTORIES = some.lists(MEASURED, max_size=5)


def runs(*measured: dict[str, float]) -> list[Run]:
    """Returns a history of these ratios by row."""
    return [
        Run(f"2026-01-{day:02}T00:00Z", "quick", {}, rows({id: Measured(value, "") for id, value in found.items()}))
        for day, found in enumerate(measured, 1)
    ]


@given(HISTORIES)
@properties.examples(50)
def test_points_and_goals_stay_in_their_lane(found: list[dict[str, float]]) -> None:
    for lane in lanes(runs(*found)):
        assert lane.top < lane.limit < lane.top + LANE
        for point in lane.points:
            assert 0 < point.x < WIDTH
            assert lane.top < point.y < lane.top + LANE


@given(HISTORIES)
@properties.examples(50)
def test_the_drawing_is_well_formed_and_described(found: list[dict[str, float]]) -> None:
    svg = ET.fromstring(draw(runs(*found)))  # noqa: S314 - our own
    assert svg.get("role") == "img"
    assert [child.tag for child in svg][:2] == [SVG + "title", SVG + "desc"]
    measured = {row for each in found for row in each}
    assert len(svg.findall(SVG + "g")) == len(measured)
    assert all(f"{row}, beside" in (svg[1].text or "") for row in measured)


def test_each_run_is_a_point_that_says_whether_the_goal_was_met() -> None:
    svg = ET.fromstring(draw(runs({"save-median": 1.5}, {"throughput": 1.0}, {"save-median": 4.0})))  # noqa: S314
    throughput, save = svg.findall(SVG + "g")
    assert [point.get("class") for point in save.iter(SVG + "circle")] == ["met", "missed"]
    assert [point[0].text for point in save.iter(SVG + "circle")] == ["2026-01-01T00:00Z: 1.5", "2026-01-03T00:00Z: 4"]
    first, last = (float(point.get("cy") or 0) for point in save.iter(SVG + "circle"))
    assert last < first, "a greater ratio is drawn higher"
    assert len(list(throughput.iter(SVG + "circle"))) == 1


def test_it_is_drawn_for_light_and_dark() -> None:
    assert "prefers-color-scheme: dark" in draw([])


def test_the_drawing_in_the_documentation_is_of_its_history() -> None:
    docs = ROOT / "docs"
    assert (docs / "figures.svg").read_text(encoding="utf-8") == draw(load(docs / "figures.jsonl"))
