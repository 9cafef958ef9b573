"""Lists come in pages: whoever makes one asks for one entry more than it has, and so learns whether more follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

LONGEST = 1000
"""Entries of one page."""

MOST_BYTES = 500_000
"""Bytes of one page's entries, about, as the store has them; a page of fewer entries than were asked for may have more
behind it."""

_Entry = TypeVar("_Entry")
_Mark = TypeVar("_Mark")


def cut(
    fetch: Callable[[int], Sequence[_Entry]], limit: int, mark: Callable[[_Entry], _Mark]
) -> tuple[Sequence[_Entry], _Mark | None]:
    """A page of at most ``limit`` entries, and the mark beyond which the next one begins; None where none follows.

    Args:
        fetch: gives the first entries of what is left, so many at most.
        mark: what an entry is known by, in the order of the list.
    """
    limit = max(1, min(limit, LONGEST))
    found = fetch(limit + 1)
    page = found[:limit]
    return page, mark(page[-1]) if len(found) > limit else None
