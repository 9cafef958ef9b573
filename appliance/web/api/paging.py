"""Lists come in pages: ``limit`` entries beyond ``after``, which is what the page before gave as ``next``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from appliance.model.errors import Invalid
from appliance.service import Actor, Context, pages
from appliance.web.api.routes import ApiCall

QUERY = ("after", "limit")
"""What every list takes."""

_Entry = TypeVar("_Entry")
_Stored = TypeVar("_Stored", covariant=True)


class _Pages(Protocol[_Stored]):
    """A use case that gives a list page by page."""

    def __call__(
        self, context: Context, actor: Actor, *, after: str | None, limit: int
    ) -> tuple[Sequence[_Stored], str | None]: ...


def limit_of(call: ApiCall, usual: int = pages.LONGEST) -> int:
    """How many entries the caller wants at most.

    Raises:
        Invalid: fewer than one, or more than a page has.
    """
    limit = call.number("limit")
    if limit is None:
        return usual
    if not 1 <= limit <= pages.LONGEST:
        raise Invalid(f"limit is a number from 1 to {pages.LONGEST}.", field="limit")
    return limit


def page_from(call: ApiCall, use_case: _Pages[_Entry]) -> tuple[Sequence[_Entry], str | None]:
    """A page of a list that may be long, and where the next one begins.

    Raises:
        Invalid: as for `page_of`.
    """
    return use_case(call.context, call.actor, after=call.query.get("after"), limit=limit_of(call))


def page_of(
    call: ApiCall, entries: Sequence[_Entry], key: Callable[[_Entry], str]
) -> tuple[Sequence[_Entry], str | None]:
    """A page of a list that is short enough to be had as a whole, and where the next one begins.

    Raises:
        Invalid: ``after`` is not what an earlier page gave, or the ``limit`` is out of bounds.
    """
    after, start = call.query.get("after"), 0
    if after is not None:
        places = [place for place, entry in enumerate(entries) if key(entry) == after]
        if not places:
            raise Invalid("This is not a position in the list.", field="after")
        start = places[0] + 1
    return pages.cut(lambda count: entries[start : start + count], limit_of(call), key)
