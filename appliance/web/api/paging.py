"""Pages of lists: at most ``limit`` entries beyond ``after``, which is the ``next`` of the page before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from appliance.model.errors import Invalid
from appliance.service import Actor, Context, pages
from appliance.web.api.routes import ApiCall

QUERY = ("after", "limit")
"""Query parameters of every list."""

_Entry = TypeVar("_Entry")
_Stored = TypeVar("_Stored", covariant=True)
_Shown = TypeVar("_Shown")


class _Pages(Protocol[_Stored]):
    """A use case that returns a page of a list."""

    def __call__(
        self, context: Context, actor: Actor, *, after: str | None, limit: int
    ) -> tuple[Sequence[_Stored], str | None]: ...


def limit_of(call: ApiCall, usual: int = pages.LONGEST) -> int:
    """Get the most entries that the caller wants.

    Args:
        usual: the default.

    Raises:
        Invalid: fewer than one, or more than `pages.LONGEST`.
    """
    limit = call.number("limit")
    if limit is None:
        return usual
    if not 1 <= limit <= pages.LONGEST:
        raise Invalid("limit is a number from 1 to {longest}.", field="limit", longest=pages.LONGEST)
    return limit


def page_from(
    call: ApiCall, use_case: _Pages[_Entry], shown: Callable[[_Entry], _Shown]
) -> tuple[list[_Shown], str | None]:
    """Call a use case for the requested page; returns the page and the next page's ``after``.

    Args:
        shown: returns what the page has of an entry.

    Raises:
        Invalid: ``after`` is not an id in the list, or ``limit`` is out of bounds.
    """
    found, following = use_case(call.context, call.actor, after=call.query.get("after"), limit=limit_of(call))
    return [shown(each) for each in found], following


def page_of(
    call: ApiCall, entries: Sequence[_Entry], key: Callable[[_Entry], str], shown: Callable[[_Entry], _Shown]
) -> tuple[list[_Shown], str | None]:
    """Cut the requested page out of a whole list; returns the page and the next page's ``after``.

    Args:
        key: returns an entry's id.
        shown: returns what the page has of an entry.

    Raises:
        Invalid: ``after`` is not an id in the list, or ``limit`` is out of bounds.
    """
    after, start = call.query.get("after"), 0
    if after is not None:
        places = [place for place, entry in enumerate(entries) if key(entry) == after]
        if not places:
            raise Invalid("This is not a position in the list.", field="after")
        start = places[0] + 1
    found, following = pages.cut(lambda count: entries[start : start + count], limit_of(call), key)
    return [shown(each) for each in found], following
