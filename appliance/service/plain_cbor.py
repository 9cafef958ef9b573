"""CBOR as authenticators write it: without tags, and nested a few levels deep.

Some tags stand for an item that came before. With a few hundred bytes of them, a decoded item is written out again as
gigabytes.

Source: RFC 8949; CTAP 2.1, 8 (message encoding), which allows neither tags nor lengths that are told at the end.
"""

from __future__ import annotations

_BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(2, 7)
_ONE_MORE_BYTE, _EIGHT_MORE_BYTES = 24, 27
# CTAP allows four.
_MOST_LEVELS = 8


def check(data: bytes) -> None:
    """Check that bytes are such items, one after the other.

    Raises:
        ValueError: they are not.
    """
    at = 0
    while at < len(data):
        at = _end_of_item(data, at, _MOST_LEVELS)
        if at > len(data):
            raise ValueError("an item is not whole")


def _end_of_item(data: bytes, at: int, levels: int) -> int:
    """Find the end of the item at a place; it may be beyond the data."""
    if at >= len(data) or not levels:
        raise ValueError("an item is not whole, or nested too deep")
    kind, value = data[at] >> 5, data[at] & 31
    at += 1
    if kind == _TAG or value > _EIGHT_MORE_BYTES:
        raise ValueError("an item is a tag, or has no length at its begin")
    if value >= _ONE_MORE_BYTE:
        end = at + (1 << (value - _ONE_MORE_BYTE))
        value, at = int.from_bytes(data[at:end], "big"), end
    if kind in {_BYTES, _TEXT}:
        return at + value
    if kind in {_ARRAY, _MAP}:
        for _ in range(value if kind == _ARRAY else 2 * value):
            at = _end_of_item(data, at, levels - 1)
    return at
