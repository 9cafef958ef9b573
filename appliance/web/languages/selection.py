"""Selection of the language for a request. Source: RFC 9110, 12.5.4; RFC 4647, 3.4."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

COOKIE = "__Host-meshwg-language"
"""Name of the cookie with the language that the reader has chosen."""

_MOST_RANGES = 20
# At most as many subtags as languages have: each of them is a lookup, and a header may have tens of thousands.
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,15})\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?)\s*)?", re.ASCII)


def select(offered: Collection[str], chosen: str, accepted: str) -> str:
    """Select the tag of a language.

    Args:
        offered: tags of all languages; the first is for readers who want none of them.
        chosen: value of the cookie; it counts if that language is offered.
        accepted: value of Accept-Language.
    """
    if chosen in offered:
        return chosen
    by_tag = {tag.lower(): tag for tag in offered}
    for wanted in _wanted(accepted):
        subtags = wanted.lower().split("-")
        for length in range(len(subtags), 0, -1):
            found = by_tag.get("-".join(subtags[:length]))
            if found is not None:
                return found
    return next(iter(offered))


def _wanted(accepted: str) -> Iterator[str]:
    """List language ranges, most wanted first; a header's excess and what can't be read is ignored."""
    found = map(_RANGE.fullmatch, accepted.split(",", _MOST_RANGES)[:_MOST_RANGES])
    weighted = [(float(each[2] or 1), each[1]) for each in found if each is not None]
    return (tag for weight, tag in sorted(weighted, key=lambda each: -each[0]) if weight > 0)
