"""Pages of lists: one entry more is fetched than a page has, to learn whether another page follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

LONGEST = 1000
"""Most entries of a page."""

MOST_BYTES = 500_000
"""Most bytes of a page's entries, roughly, as stored; so a page shorter than its limit need not be the last."""

_Entry = TypeVar("_Entry")
_Mark = TypeVar("_Mark")


def cut(
    fetch: Callable[[int], Sequence[_Entry]], limit: int, mark: Callable[[_Entry], _Mark]
) -> tuple[Sequence[_Entry], _Mark | None]:
    """Cut the next page off a list.

    Args:
        fetch: returns the first entries of the rest of the list, at most this many.
        limit: most entries of the page; beyond `LONGEST` it is lowered.
        mark: returns an entry's position in the list.

    Returns:
        The page, and the mark of its last entry (None: no page follows).
    """
    limit = max(1, min(limit, LONGEST))
    found = fetch(limit + 1)
    page = found[:limit]
    return page, mark(page[-1]) if len(found) > limit else None
