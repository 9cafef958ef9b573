"""How long an entry of the audit trail may be, and how a longer one is shortened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 4096
"""Bytes of an entry's detail, as the store keeps it."""

OVERHEAD = 120
"""Bytes of an entry beside its actor and detail, about: a row, and its places in two indices."""

LEFT_OUT = "_left_out"
"""The end of the key that tells how many values of a list were left out."""

_FEWER = (600, 200, 60, 0)


def size_of(actor: str, detail: Mapping[str, Any]) -> int:
    """Bytes that an entry takes, about."""
    return OVERHEAD + len(actor.encode("utf-8", "surrogatepass")) + _length(detail)


def shortened(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The detail within `LONGEST` bytes: long texts are cut, and of long lists the first values stay, with a count of
    the others. A list that comes with such a count is shortened further and goes on being counted.
    """
    if _length(detail) <= LONGEST:
        return dict(detail)
    return next(found for most in _FEWER if _length(found := _with_at_most(detail, most)) <= LONGEST)


def _with_at_most(detail: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Texts in so many bytes each, and lists in twice as many."""
    if not most:
        return {"values" + LEFT_OUT: len(detail)}
    found: dict[str, Any] = {}
    for key, value in detail.items():
        if isinstance(value, list | tuple):
            kept = _first(value, most)
            found[key] = kept
            left_out = len(value) - len(kept) + detail.get(key + LEFT_OUT, 0)
            if left_out:
                found[key + LEFT_OUT] = left_out
        elif not isinstance(detail.get(key.removesuffix(LEFT_OUT)), list | tuple):
            found[key] = _cut(value, most)
    return found


def _first(values: Sequence[Any], most: int) -> list[Any]:
    kept: list[Any] = []
    for each in values:
        kept.append(_cut(each, most))
        if _length(kept) > 2 * most:
            return kept[:-1]
    return kept


def _cut(value: Any, most: int) -> Any:
    if _length(value) <= most:
        return value
    text = value if isinstance(value, str) else str(value)
    # A character takes twelve bytes at most: two escapes of six.
    return text[: most // 12] + "…"


def _length(value: Any) -> int:
    return len(json.dumps(value))
