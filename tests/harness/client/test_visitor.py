"""A browser that follows links from page to page."""

from __future__ import annotations

import httpx
import pytest

from harness.client.visitor import Visitor
from harness.judging.verdicts import Inconclusive

PAGES = 6


def answer(request: httpx.Request) -> httpx.Response:
    """Serves page `/N`, which links to the next page, the first and another site. The last page has a form instead."""
    number = int(request.url.path.removeprefix("/"))
    further = f'<a href="/{number + 1}#here">' if number < PAGES else '<form method="post" action="/delete">'
    return httpx.Response(200, html=f'<a href="/1">{further}<a href="https://example.org/">')


@pytest.fixture
def visitor() -> Visitor:
    return Visitor("https://hub.example.net", transport=httpx.MockTransport(answer))


def test_a_walk_finds_all_links_and_forms(visitor: Visitor) -> None:
    assert visitor.walk("/1", most=PAGES) == {
        *(("GET", f"/{number}") for number in range(1, PAGES + 1)),
        ("POST", "/delete"),
    }


def test_an_incomplete_walk_is_inconclusive(visitor: Visitor) -> None:
    with pytest.raises(Inconclusive, match=f"/1 leads to more than {PAGES - 1} pages"):
        visitor.walk("/1", most=PAGES - 1)
