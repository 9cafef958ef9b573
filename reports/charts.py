"""Drawings of exhibits: numbers to shapes, in pixels of a drawing `WIDTH` wide. Templates put them on a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reports.certificates import Certificate, DoorCertificate
from reports.exhibits import Exhibit, Histogram, Stream, Timeline, TruthTable
from reports.texts import amount, duration

WIDTH = 720
_TICKS, _LAST = 8, 0.97
_UP, _DOWN, _TITLE = 30, 14, 20
_LANE = _TITLE + _UP + _DOWN + 6
_HIGH, _COUNTS, _LABELS = 110, 18, 24


@dataclass(frozen=True)
class Label:
    """A text.

    Attributes:
        x: its centre.
        text: its words.
    """

    x: float
    text: str


@dataclass(frozen=True)
class Box:
    """A rectangle.

    Attributes:
        x: left edge.
        y: upper edge.
        width: extent to the right.
        height: extent downwards.
        text: words to show with it; empty for none.
    """

    x: float
    y: float
    width: float
    height: float
    text: str = ""


@dataclass(frozen=True)
class Lane:
    """The drawing of one stream: delivered packets rise from the base line, missing ones hang below it.

    Attributes:
        name: name of the stream.
        top: upper edge of the lane.
        base: height of the base line.
        delivered: SVG path.
        missing: SVG path.
        denied: stretches in which the policy denies the stream.
    """

    name: str
    top: float
    base: float
    delivered: str
    missing: str
    denied: tuple[Box, ...]


@dataclass(frozen=True)
class TimelineChart:
    """A drawing of a timeline.

    Attributes:
        exhibit: the timeline.
        height: height of the drawing.
        lanes: one drawing for each stream.
        saves: boxes from a save's request to its answer.
        events: boxes from an event's begin to its end.
        ticks: labels along the time.
        template: file that puts it on a page.
    """

    exhibit: Timeline
    height: float
    lanes: tuple[Lane, ...]
    saves: tuple[Box, ...]
    events: tuple[Box, ...]
    ticks: tuple[Label, ...]
    template: str = "timeline.html"


@dataclass(frozen=True)
class HistogramChart:
    """A drawing of a histogram.

    Attributes:
        exhibit: the histogram.
        height: height of the drawing.
        base: height of the base line.
        bars: bars, each with its count as text.
        ticks: labels of some of the edges.
        template: file that puts it on a page.
    """

    exhibit: Histogram
    height: float
    base: float
    bars: tuple[Box, ...]
    ticks: tuple[Label, ...]
    template: str = "histogram.html"


@dataclass(frozen=True)
class PlainChart:
    """A truth table or a certificate, which needs no drawing.

    Attributes:
        exhibit: the table or the certificate.
        template: file that puts it on a page.
    """

    exhibit: TruthTable | Certificate | DoorCertificate
    template: str


Chart = TimelineChart | HistogramChart | PlainChart


def draw(exhibit: Exhibit) -> Chart:
    """Returns the drawing of an exhibit."""
    if isinstance(exhibit, Timeline):
        return _timeline(exhibit)
    if isinstance(exhibit, Histogram):
        return _histogram(exhibit)
    if isinstance(exhibit, DoorCertificate):
        return PlainChart(exhibit, "door.html")
    return PlainChart(exhibit, "certificate.html" if isinstance(exhibit, Certificate) else "table.html")


def _timeline(of: Timeline) -> TimelineChart:
    scale = WIDTH / of.seconds
    most = max(1, *(count for stream in of.streams for count in stream.sent))
    lanes = tuple(_lane(stream, number * _LANE, scale, most) for number, stream in enumerate(of.streams))
    height = len(lanes) * _LANE
    saves = tuple(
        Box(_round(save.asked * scale), 0, max(1.0, _round((save.answered - save.asked) * scale)), height)
        for save in of.saves
    )
    events = tuple(
        Box(_round(event.begin * scale), 0.5, max(1.0, _round((event.end - event.begin) * scale)), height - 1)
        for event in of.events
    )
    step = _step(of.seconds / _TICKS)
    # One at the drawing's very end would be cut off.
    moments = [number * step for number in range(1, _TICKS * 2) if number * step < of.seconds * _LAST]
    ticks = tuple(Label(_round(moment * scale), duration(moment)) for moment in moments)
    return TimelineChart(of, height + _LABELS, lanes, saves, events, ticks)


def _step(least: float) -> float:
    """Rounds up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)


def _lane(stream: Stream, top: float, scale: float, most: int) -> Lane:
    base = top + _TITLE + _UP
    missing = [sent - arrived for sent, arrived in zip(stream.sent, stream.delivered, strict=True)]
    denied = tuple(
        Box(_round(start * scale), top + _TITLE, _round((end - start) * scale), _UP + _DOWN)
        for start, end in stream.denied
    )
    return Lane(
        stream.name,
        top,
        base,
        _steps(stream.delivered, base, -_UP / most),
        _steps(missing, base, _DOWN / most),
        denied,
    )


def _steps(counts: Sequence[int], base: float, scale: float) -> str:
    """SVG path along the tops of bars that stand side by side; bars of the same height are one."""
    path = [f"M0 {base:g}"]
    last = 0
    for slot, count in enumerate(counts):
        if count != last:
            path.append(f"H{_round(slot * WIDTH / len(counts)):g}V{_round(base + count * scale):g}")
            last = count
    return "".join([*path, f"H{WIDTH}V{base:g}Z"])


def _histogram(of: Histogram) -> HistogramChart:
    width = WIDTH / len(of.counts)
    most = max(1, *of.counts)
    base = _COUNTS + _HIGH
    bars = tuple(
        Box(
            _round(number * width + 1),
            _round(base - _HIGH * count / most),
            _round(width - 2),
            _round(_HIGH * count / most),
            f"{count}" if count else "",
        )
        for number, count in enumerate(of.counts)
    )
    every = -(-len(of.counts) // 10)
    ticks = tuple(
        Label(_round(number * width), amount(of.edges[number], of.unit))
        for number in range(1, len(of.counts))
        if number % every == 0
    )
    return HistogramChart(of, base + _LABELS, base, bars, ticks)


def _round(pixels: float) -> float:
    return round(pixels, 1)
