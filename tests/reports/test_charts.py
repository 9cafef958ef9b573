"""Drawings stay within their frame, are well-formed, and have their numbers in words too."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given

from reports.charts import WIDTH, HistogramChart, TimelineChart, draw
from reports.exhibits import Cell, Event, Exhibit, Histogram, Passed, Row, Save, Stream, Timeline, TruthTable
from reports.render import html
from tests import properties
from tests.reports.samples import claim, exhibits, histograms, run, scenario, timelines

FLIPS = Timeline(
    "saves and packets",
    0.25,
    [
        Save("default allow; deny mumbai→pune", 0.5, 0.503, [Passed(False, 50, 1, 1)]),
        Save("default allow", 1.0, 1.004, [Passed(True, 100, 98, 2)]),
    ],
    [Stream("mumbai→pune", [50, 50, 50, 50, 50, 50, 50, 50], [50, 50, 0, 1, 50, 48, 50, 50], [(0.503, 1.0)])],
    events=[Event("the link is gone", 1.2, 1.25)],
)
PINGS = Histogram("pings", "s", [0.001, 0.002, 0.003], [7, 3], 0.0011, 0.0015, 0.0028)
WHO = TruthTable(
    "table 1",
    "default deny; allow mumbai→pune tcp 22",
    ["icmp", "tcp/22"],
    [
        Row("mumbai", "pune", [Cell(False, 1, 0), Cell(True, 1, 1)]),
        Row("pune", "mumbai", [Cell(False, 5, 2), Cell(True, 4, 3)]),
        Row("delhi", "pune", [None, Cell(True, 50, 50)]),
    ],
)


def page(*shown: Exhibit) -> str:
    """Renders the page of a run with these exhibits."""
    return html(run(claim("live-change", scenario("test_x", exhibits=list(shown)))))


def drawings(text: str) -> list[ET.Element]:
    """Lists every drawing on the page, as an XML parser reads it."""
    return [ET.fromstring(each) for each in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314 - our own


@given(timelines())
@properties.examples(50)
def test_a_timeline_stays_in_its_frame(made: Timeline) -> None:
    chart = draw(made)
    assert isinstance(chart, TimelineChart)
    assert len(chart.lanes) == len(made.streams)
    assert len(chart.saves) == len(made.saves)
    for lane in chart.lanes:
        for path in (lane.delivered, lane.missing):
            assert all(0 <= float(x) <= WIDTH for x in re.findall(r"[MH](-?[\d.e+]+)", path))
            assert all(lane.top <= float(y) <= lane.top + 70 for y in re.findall(r"V(-?[\d.e+]+)", path))
    assert all(0 < tick.x < WIDTH for tick in chart.ticks)


@given(histograms())
@properties.examples(50)
def test_a_histogram_stays_in_its_frame(made: Histogram) -> None:
    chart = draw(made)
    assert isinstance(chart, HistogramChart)
    assert len(chart.bars) == len(made.counts)
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert bar.y >= 0
        assert bar.y + bar.height == pytest.approx(chart.base, abs=0.2)
    assert max(bar.height for bar in chart.bars) <= chart.base
    assert all(0 < tick.x < WIDTH for tick in chart.ticks)


@given(exhibits)
@properties.examples(50)
def test_every_drawing_is_well_formed_and_described(made: Exhibit) -> None:
    for drawing in drawings(page(made)):
        assert drawing.get("role") == "img"
        assert [child.tag for child in drawing][:2] == ["title", "desc"]
        assert (drawing[1].text or "").strip()


def test_a_bar_is_as_high_as_its_count() -> None:
    chart = draw(PINGS)
    assert isinstance(chart, HistogramChart)
    first, second = chart.bars
    assert first.height * 3 == pytest.approx(second.height * 7, abs=1)
    assert [bar.text for bar in chart.bars] == ["7", "3"]


def test_the_page_has_the_numbers_of_its_drawings() -> None:
    text = " ".join(re.sub(r"<[^>]*>", " ", page(FLIPS, PINGS, WHO)).split())
    for said in (
        "Saves and packets: 2 saves and 1 event in 2 s, and the packets of 1 stream.",
        "mumbai→pune: 299 of 400 packets delivered.",
        "default allow; deny mumbai→pune denied, 1 of 50 delivered, 1 of them ARRIVED",
        "default allow allowed, 98 of 100 delivered, 2 of them LOST",
        "1.2 s 50 ms the link is gone",
        "Pings: median 1.5 ms, from 1.1 ms to 2.8 ms.",
        "1 ms 2 ms 7",
        "What may pass, and what did: default deny; allow mumbai→pune tcp 22",
        "mumbai → pune denied, dropped allowed, arrived",
        "pune → mumbai denied, 2 of 5 ARRIVED allowed, 1 of 4 LOST",
        "delhi → pune allowed, 50 of 50 arrived",
        "2 of 5 cells other than the policy says.",
    ):
        assert said in text, said
