"""Layout of the map: everything has room, inside the drawing."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.web.pages.map_layout import (
    HEIGHT,
    HUB_RADIUS,
    MOST_PARTIES,
    WIDTH,
    Box,
    DrawnWay,
    Way,
    lay_out,
)

MOST_WIDE = 9.0
HUB = Box.around((WIDTH / 2, HEIGHT / 2), 2 * HUB_RADIUS, 2 * HUB_RADIUS)


@st.composite
def maps(draw: st.DrawFn) -> tuple[int, list[Way]]:
    """Draws a number of parties, and ways between them."""
    parties = draw(st.integers(0, MOST_PARTIES))
    ends = st.one_of(st.none(), st.integers(0, parties - 1)) if parties else st.none()
    keys = draw(st.lists(st.tuples(ends, ends, st.booleans()), max_size=24, unique=True))
    labels = st.text("0123456789,kM denied", min_size=1, max_size=14)
    return parties, [Way(*key, draw(st.floats(0, 1)), draw(labels)) for key in keys]


def is_inside(box: Box) -> bool:
    return box.x >= 0 and box.x + box.width <= WIDTH and box.y >= 0 and box.y + box.height <= HEIGHT


def points(way: DrawnWay) -> list[tuple[float, float]]:
    """Reads the ends and the control points of a path: the curve lies between them."""
    numbers = [float(text) for text in re.findall(r"-?\d+\.\d", way.path)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@pytest.mark.parametrize("parties", range(MOST_PARTIES + 1))
def test_parties_have_places_of_their_own(parties: int) -> None:
    boxes = lay_out(parties, []).parties
    assert len(boxes) == parties
    for one, other in combinations([*boxes, HUB], 2):
        assert not one.overlaps(other)
    assert all(map(is_inside, boxes))


@given(maps())
def test_everything_is_inside_the_drawing(case: tuple[int, list[Way]]) -> None:
    parties, ways = case
    drawing = lay_out(parties, ways)
    assert sorted(each.way.label for each in drawing.ways) == sorted(way.label for way in ways)
    for each in drawing.ways:
        assert is_inside(each.label)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points(each))
        assert each.radius < HEIGHT / 2
        assert bool(each.path) is not bool(each.radius)


@given(maps())
def test_ways_lead_from_their_source_to_their_destination(case: tuple[int, list[Way]]) -> None:
    parties, ways = case
    drawing = lay_out(parties, ways)
    for each in drawing.ways:
        if not each.path:
            assert each.way.source is each.way.destination is None
            continue
        ends = points(each)[0], points(each)[-1]
        for place, end in zip((each.way.source, each.way.destination), ends, strict=True):
            at = Box.around(end, 12, 12)
            near = [number for number, box in enumerate(drawing.parties) if at.overlaps(box)]
            assert near == ([] if place is None else [place])


@given(maps())
def test_different_ways_have_different_lines(case: tuple[int, list[Way]]) -> None:
    lines = [(each.path, each.radius) for each in lay_out(*case).ways]
    assert len(set(lines)) == len(lines)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_more_packets_are_never_a_thinner_line(shares: list[float]) -> None:
    less, more = sorted(shares)
    one, other = lay_out(2, [Way(0, 1, False, less, "1"), Way(1, 0, False, more, "2")]).ways
    assert 1 <= one.width <= other.width <= MOST_WIDE


def test_labels_of_a_usual_map_cover_nothing() -> None:
    ways = [Way(0, 1, False, 0.5, "1.5M"), Way(1, 2, False, 0.3, "903k"), Way(3, None, False, 0.1, "52k")]
    ways += [Way(4, 2, True, 0, "denied 37"), Way(1, 1, False, 0.1, "220k"), Way(1, 0, True, 0, "denied 12")]
    drawing = lay_out(6, [*ways, Way(None, None, True, 0, "default: denied 1,204")])
    for one, other in combinations([*drawing.parties, HUB, *(each.label for each in drawing.ways)], 2):
        assert not one.overlaps(other)


def test_too_many_parties_are_refused() -> None:
    with pytest.raises(ValueError, match="13 parties have no room"):
        lay_out(MOST_PARTIES + 1, [])
