"""Lists come in pages: ``limit`` entries beyond ``after``, which is what the page before gave as ``next``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from appliance.model.errors import Invalid
from appliance.web.api.routes import Asked

LONGEST = 1000
"""Entries of one page."""

QUERY = ("after", "limit")
"""What every list takes."""

_Entry = TypeVar("_Entry")


def limit_of(asked: Asked, usual: int = LONGEST) -> int:
    """How many entries the caller wants at most.

    Raises:
        Invalid: fewer than one, or more than a page has.
    """
    limit = asked.number("limit")
    if limit is None:
        return usual
    if not 1 <= limit <= LONGEST:
        raise Invalid(f"limit is a number from 1 to {LONGEST}.", field="limit")
    return limit


def page_of(
    asked: Asked, entries: Sequence[_Entry], key: Callable[[_Entry], str]
) -> tuple[Sequence[_Entry], str | None]:
    """A page of a list that is short enough to be had as a whole, and where the next one begins.

    Raises:
        Invalid: ``after`` is not what an earlier page gave, or the ``limit`` is out of bounds.
    """
    limit, after, start = limit_of(asked), asked.query.get("after"), 0
    if after is not None:
        places = [place for place, entry in enumerate(entries) if key(entry) == after]
        if not places:
            raise Invalid("This is not where a page can begin.", field="after")
        start = places[0] + 1
    page = entries[start : start + limit]
    return page, key(page[-1]) if start + limit < len(entries) else None
