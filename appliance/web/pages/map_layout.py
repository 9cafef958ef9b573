"""Layout of a map: the hub in the middle, parties around it on an ellipse, and ways between them. Pure geometry.

Lengths are in units of the drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_PARTIES = 12
"""Parties that have room beside each other."""

WIDTH, HEIGHT = 860, 600
PARTY_WIDTH, PARTY_HEIGHT = 140, 44
HUB_RADIUS = 36
_CENTRE = (WIDTH / 2, HEIGHT / 2)
_RADII = (320.0, 220.0)
_RING_GAP = 12
_TIP_GAP = 3
_THINNEST, _THICKEST = 1.5, 9.0
_BEND = {False: 16.0, True: 44.0}
"""Distances from the hub at which allowed and denied ways between the same parties bend."""

_LOOP_SHIFT, _LOOP_WIDTH, _LOOP_HEIGHT = 36.0, 18.0, 36.0
_LETTER_WIDTH, _LABEL_HEIGHT = 7.2, 16.0
_ALONG = (0.3, 0.36, 0.24, 0.42, 0.18, 0.54, 0.6, 0.66, 0.72, 0.78)
"""Places of a label along its way, in the order in which they are tried."""

_Point = tuple[float, float]


@dataclass(frozen=True)
class Way:
    """Line to draw.

    Attributes:
        source, destination: places in the list of parties; None is the hub, for any machine.
        share: of all packets, from 0 to 1.
        label: short text beside the line.
    """

    source: int | None
    destination: int | None
    denied: bool
    share: float
    label: str


@dataclass(frozen=True)
class Box:
    """Rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def around(cls, at: _Point, width: float, height: float) -> Box:
        """Make a rectangle around a point."""
        return cls(round(at[0] - width / 2, 1), round(at[1] - height / 2, 1), width, height)

    def overlaps(self, other: Box) -> bool:
        """Tell whether two rectangles have an area in common."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


@dataclass(frozen=True)
class DrawnWay:
    """A way with its geometry.

    Attributes:
        path: commands of an SVG path; empty for a ring around the hub.
        radius: of the ring; 0 for a path.
        width: of the line.
        label: box of the label's text.
    """

    way: Way
    path: str
    radius: float
    width: float
    label: Box


@dataclass(frozen=True)
class Drawing:
    """Positions of everything in a map."""

    parties: tuple[Box, ...]
    ways: tuple[DrawnWay, ...]


def lay_out(parties: int, ways: Sequence[Way]) -> Drawing:
    """Place parties and ways.

    Args:
        parties: their number, at most `MOST_PARTIES`.
        ways: labels of the first ones have the best places.

    Raises:
        ValueError: there are too many parties.
    """
    if parties > MOST_PARTIES:
        raise ValueError(f"{parties} parties have no room; the limit is {MOST_PARTIES}")
    boxes = [Box.around(_on_ellipse(place, parties), PARTY_WIDTH, PARTY_HEIGHT) for place in range(parties)]
    rings = [way for way in ways if way.source is None and way.destination is None]
    outer = HUB_RADIUS + _RING_GAP * len(rings)
    taken = [*boxes, Box.around(_CENTRE, 2 * outer, 2 * outer)]
    drawn = []
    for number, way in enumerate(rings, 1):
        below = Box.around(
            (_CENTRE[0], _CENTRE[1] + outer + _LABEL_HEIGHT * (number - 0.5)), _length(way), _LABEL_HEIGHT
        )
        taken.append(below)
        drawn.append(DrawnWay(way, "", HUB_RADIUS + _RING_GAP * (number - 0.25), _width(way), below))
    for way in ways:
        if way.source is not None or way.destination is not None:
            path, places = _line(way, boxes, outer)
            label = _free(places, _length(way), taken)
            taken.append(label)
            drawn.append(DrawnWay(way, path, 0, _width(way), label))
    return Drawing(tuple(boxes), tuple(drawn))


def _on_ellipse(place: int, parties: int) -> _Point:
    """Position of a party; the first one is at the top, the others follow clockwise."""
    angle = 2 * math.pi * place / parties - math.pi / 2
    return _CENTRE[0] + _RADII[0] * math.cos(angle), _CENTRE[1] + _RADII[1] * math.sin(angle)


def _width(way: Way) -> float:
    return round(_THINNEST + (_THICKEST - _THINNEST) * way.share, 1)


def _length(way: Way) -> float:
    return len(way.label) * _LETTER_WIDTH + 4


def _line(way: Way, boxes: Sequence[Box], outer: float) -> tuple[str, list[_Point]]:
    """Make a way's path, and list places for its label."""
    if way.source == way.destination and way.source is not None:
        return _loop(boxes[way.source], way.denied)
    ends = [_CENTRE if place is None else _middle(boxes[place]) for place in (way.source, way.destination)]
    (x, y), (to_x, to_y) = ends
    length = math.hypot(to_x - x, to_y - y)
    # A way back bends to the other side.
    bend = _BEND[way.denied]
    aside = (-(to_y - y) / length * bend, (to_x - x) / length * bend)
    middle = ((x + to_x) / 2, (y + to_y) / 2) if None in (way.source, way.destination) else _CENTRE
    over = (middle[0] + aside[0], middle[1] + aside[1])
    start, end = (
        _edge(None if place is None else boxes[place], over, outer) for place in (way.source, way.destination)
    )
    path = f"M{_text(start)} Q{_text(over)} {_text(end)}"
    return path, [_between(start, over, end, at) for at in _ALONG]


def _loop(box: Box, denied: bool) -> tuple[str, list[_Point]]:
    """Draw from a party to itself, at its outer side."""
    x, y = _middle(box)
    up = -1 if y <= _CENTRE[1] + 1 else 1
    x += _LOOP_SHIFT if denied else -_LOOP_SHIFT
    edge, top = y + up * (box.height / 2 + _TIP_GAP), y + up * (box.height / 2 + _LOOP_HEIGHT)
    path = (
        f"M{_text((x - _LOOP_WIDTH, edge))} C{_text((x - _LOOP_WIDTH, top))} "
        f"{_text((x + _LOOP_WIDTH, top))} {_text((x + _LOOP_WIDTH, edge))}"
    )
    return path, [(x, top), (x, top + up * 6), (x + 20, top), (x - 20, top)]


def _middle(box: Box) -> _Point:
    return box.x + box.width / 2, box.y + box.height / 2


def _edge(box: Box | None, toward: _Point, outer: float) -> _Point:
    """Find where a line from the middle of a party, or of the hub, toward a point leaves it."""
    x, y = _CENTRE if box is None else _middle(box)
    dx, dy = toward[0] - x, toward[1] - y
    length = math.hypot(dx, dy)
    if box is None:
        reach = (outer + _TIP_GAP) / length
    else:
        reach = min(
            (size / 2 + _TIP_GAP) / abs(step) for size, step in ((box.width, dx), (box.height, dy)) if abs(step) > 1e-9
        )
    return x + dx * reach, y + dy * reach


def _between(start: _Point, over: _Point, end: _Point, at: float) -> _Point:
    """Find a point of a quadratic Bézier curve."""
    x, y = (
        (1 - at) ** 2 * one + 2 * at * (1 - at) * two + at**2 * three
        for one, two, three in zip(start, over, end, strict=True)
    )
    return x, y


def _free(places: Sequence[_Point], length: float, taken: Sequence[Box]) -> Box:
    """Choose the first place at which a label covers nothing; the first one of all if there is none."""
    boxes = [_inside(Box.around(place, length, _LABEL_HEIGHT)) for place in places]
    return next((box for box in boxes if not any(map(box.overlaps, taken))), boxes[0])


def _inside(box: Box) -> Box:
    """Move a label into the drawing."""
    x = min(max(box.x, 0.0), WIDTH - box.width)
    y = min(max(box.y, 0.0), HEIGHT - box.height)
    return Box(x, y, box.width, box.height)


def _text(point: _Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
