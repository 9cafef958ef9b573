"""Size of an entry of the audit trail, and the shortening of entries that are too long."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 4096
"""Most bytes of an entry's detail in JSON."""

OVERHEAD = 120
"""Approximate bytes of an entry besides actor and detail: its row and two index entries."""

LEFT_OUT = "_left_out"
"""Suffix of the key that says how many values of a list were left out."""

_OF_ACCOUNTS = frozenset(
    {"address", "factor-removal", "password", "recovery-code", "recovery-codes", "reset", "second-factor", "session"}
)

_TEXT_LIMITS = (600, 200, 60, 0)


def is_about_signing_in(action: str) -> bool:
    """True for an entry about how somebody gets into their account, which is written however full the trail is."""
    return action.partition(".")[0] in _OF_ACCOUNTS


def size_of(actor: str, detail: Mapping[str, Any]) -> int:
    """Approximate bytes of an entry in the store."""
    return OVERHEAD + len(actor.encode("utf-8", "surrogatepass")) + _length(detail)


def shortened(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Fit an entry's detail into `LONGEST` bytes.

    Long texts are cut. A long list keeps its first values, and a count of the others is added under its key with the
    suffix `LEFT_OUT`. A count that the detail has already is increased.
    """
    if _length(detail) <= LONGEST:
        return dict(detail)
    return next(short for most in _TEXT_LIMITS if _length(short := _with_at_most(detail, most)) <= LONGEST)


def _with_at_most(detail: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Cut each text to `most` bytes and each list to twice as many."""
    if not most:
        return {"values" + LEFT_OUT: len(detail)}
    short: dict[str, Any] = {}
    for key, value in detail.items():
        if isinstance(value, list | tuple):
            kept = _first(value, most)
            short[key] = kept
            left_out = len(value) - len(kept) + detail.get(key + LEFT_OUT, 0)
            if left_out:
                short[key + LEFT_OUT] = left_out
        elif not isinstance(detail.get(key.removesuffix(LEFT_OUT)), list | tuple):
            short[key] = _cut(value, most)
    return short


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
