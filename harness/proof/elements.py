"""Elements of sets and maps, from nft's JSON or, where that lacks parts of keys, from the kernel's own listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from harness.proof.errors import Unmodelled
from harness.proof.intervals import Interval
from harness.proof.literals import ADDRESS_FIELDS, Literals
from harness.proof.ruleset import Element, Elements, Verdict

Value = Callable[[Any], int | Verdict | None]
"""Reads what a map has for a key."""
Listed = Callable[[], list[tuple[str, str]] | None]
"""Returns the kernel's words of keys and values of the same map, or None if it is not listed."""


class ElementParser:
    """Reads the elements of one rule's sets.

    Args:
        refuse: returns the error for what is not understood in that rule.
    """

    def __init__(self, literals: Literals, refuse: Callable[[str], Unmodelled]) -> None:
        self._literals = literals
        self._refuse = refuse

    def of_set(self, types: Sequence[str], written: Iterable[Any]) -> Elements:
        """Elements of a set.

        Args:
            types: field of each part of a key, by which constants are read.

        Raises:
            Unmodelled: a key can't be read.
        """
        return tuple(Element(None if each == "*" else self._key(types, _parts_of_key(each))) for each in written)

    def of_map(self, types: Sequence[str], written: Iterable[Any], value: Value, listed: Listed) -> Elements:
        """Elements of a map.

        Raises:
            Unmodelled: a key or a value can't be read.
        """
        found = []
        for left, right in written:
            keys = _parts_of_key(left)
            if left != "*" and len(keys) < len(types):
                return self._of_kernel(types, [left for left, _ in written], value, listed())
            found.append(Element(None if left == "*" else self._key(types, keys), value(right)))
        return tuple(found)

    def interval(self, kind: str, written: Any) -> Interval:
        """Reads a constant.

        Raises:
            Unmodelled: it is none of that kind.
        """
        found = self._literals.interval(kind, written)
        if found is None:
            raise self._refuse(f"the value {written} of {kind}")
        return found

    def _key(self, types: Sequence[str], keys: Sequence[Any]) -> tuple[Interval, ...]:
        if len(keys) != len(types):
            raise self._refuse(f"the key {keys}")
        return tuple(self.interval(kind, one) for kind, one in zip(types, keys, strict=True))

    def _of_kernel(
        self, types: Sequence[str], printed: Sequence[Any], value: Value, listed: list[tuple[str, str]] | None
    ) -> Elements:
        if listed is None:
            raise self._refuse("a key of which nft prints a part only, without the kernel's own listing,")
        found = []
        for words, verdict in listed:
            key = _decoded(words, types)
            if words.strip() and key is None:
                raise self._refuse(f"the key {words}")
            found.append(Element(key, value(_verdict_in_kernel(verdict))))
        self._compare(types, printed, found)
        return tuple(found)

    def _compare(self, types: Sequence[str], printed: Sequence[Any], found: Iterable[Element]) -> None:
        """Refuses elements of the kernel's listing that don't begin as those that nft prints."""
        parts = [_parts_of_key(each) for each in printed if each != "*"]
        known = min(map(len, parts))
        wanted = Counter(tuple(map(self.interval, types[:known], each[:known])) for each in parts)
        others = len(printed) - len(parts)
        if Counter(each.key and each.key[:known] for each in found) != wanted + Counter({None: others}):
            raise self._refuse("a map whose elements nft and the kernel's own listing tell differently,")


def _parts_of_key(written: Any) -> list[Any]:
    if isinstance(written, dict) and set(written) == {"concat"}:
        return list(written["concat"])
    return [written]


_HOST_ORDER = ("meta priority", "meta mark")
_PORTS = ("ct original proto-dst", "ct original proto-src")


def _decoded(words: str, types: Sequence[str]) -> tuple[Interval, ...] | None:
    """Key of an element as the kernel stores it: each part in words of 32 bits of a little-endian host.

    Where a set has ranges, rules bring what they read into the network's order first (``byteorder``), so that greater
    numbers have greater bytes.
    """
    if not {*_HOST_ORDER, *_PORTS, *ADDRESS_FIELDS}.issuperset(types):
        # How shorter fields lie in words is not known.
        return None
    first, dash, last = words.partition(" - ")
    ends = [each.split() for each in ((first, last) if dash else (first, first))]
    if any(len(end) != len(types) for end in ends):
        return None
    decoded = [
        [_number(kind, word, is_range=bool(dash)) for kind, word in zip(types, end, strict=True)] for end in ends
    ]
    return tuple(zip(*decoded, strict=True))


def _number(kind: str, word: str, *, is_range: bool) -> int:
    value = int(word, 16)
    if kind in _HOST_ORDER and not is_range:
        return value
    length = 2 if kind in _PORTS else 4
    return int.from_bytes(value.to_bytes(4, "little")[:length], "big")


def _verdict_in_kernel(text: str) -> dict[str, Any]:
    kind, arrow, chain = text.partition(" -> ")
    return {kind: {"target": chain}} if arrow else {kind: None}
