"""Expressions of a front door's rules, from nft's JSON or, where it has none, from nft's text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from harness.proof.errors import Unmodelled
from harness.proof.front_door.statements import HEADER_BYTES, ROOT, SLICES, WIDTHS, Key, Masked
from harness.proof.literals import FAMILIES, PROTOCOLS
from harness.proof.ruleset import Field, Raw

_RAW = re.compile(r"@(th),(\d+),(\d+)")
_ADDRESS_TYPES = {"unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5}
_WORDS = {"meta nfproto": FAMILIES, "meta l4proto": PROTOCOLS, "meta skuid": {"root": ROOT}}
_PAYLOAD = 64
_LINKS = ("meta iif", "meta oif")


class Expressions:
    """Parses the expressions of one rule or set.

    Args:
        links: index of each link by its name.
        where: table, chain and handle.

    Raises (each method):
        Unmodelled: an expression has no meaning here.
    """

    def __init__(self, links: Mapping[str, int], where: str) -> None:
        self._links = links
        self._where = where

    def refuse(self, what: str) -> Unmodelled:
        """The error for something here that has no meaning."""
        return Unmodelled(what, self._where)

    def key(self, written: Any) -> Key:
        """Parses a key of a set or map from nft's JSON."""
        parts = written["concat"] if isinstance(written, dict) and set(written) == {"concat"} else [written]
        return Key(tuple(map(self.part, parts)))

    def part(self, written: Any) -> Field | Raw | Masked:
        """Parses an expression from nft's JSON."""
        if not isinstance(written, dict) or len(written) != 1:
            raise self.refuse(f"the expression {written}")
        ((kind, body),) = written.items()
        if kind == "payload" and "base" in body:
            return self._raw(body["base"], body["offset"], body["len"])
        if kind == "payload":
            return self._field(f"{body['protocol']} {body['field']}")
        if kind == "meta":
            return self._field(f"meta {body['key']}")
        if kind == "fib":
            flags = body["flags"] if isinstance(body["flags"], list) else [body["flags"]]
            return self._field(f"fib {' '.join(flags)} {body['result']}")
        if kind == "&":
            of = self.part(body[0])
            if not isinstance(of, Masked):
                return Masked(of, self.number(of, body[1]))
        raise self.refuse(f"the expression {kind}")

    def key_in_words(self, text: str) -> Key:
        """A key of nft's text."""
        return Key(tuple(map(self.part_in_words, text.split(" . "))))

    def part_in_words(self, text: str) -> Field | Raw:
        """An expression of nft's text."""
        found = _RAW.fullmatch(text)
        return self._raw(found[1], int(found[2]), int(found[3])) if found else self._field(text)

    def _field(self, name: str) -> Field:
        if name not in SLICES and name not in WIDTHS:
            raise self.refuse(f"the expression {name}")
        return Field(name)

    def _raw(self, base: str, offset: int, length: int) -> Raw:
        whole = offset % 8 == length % 8 == 0
        if base != "th" or not whole or offset < _PAYLOAD or offset + length > 8 * HEADER_BYTES:
            raise self.refuse(f"the expression @{base},{offset},{length}")
        return Raw(base, offset, length)

    def number(self, left: Field | Raw | Masked, written: Any) -> int:
        """The constant that is written beside an expression."""
        name = left.name if isinstance(left, Field) else ""
        if isinstance(written, int) and not isinstance(written, bool):
            return written
        if isinstance(written, str):
            words: Mapping[str, int] = self._links if name in _LINKS else _WORDS.get(name, {})
            words = _ADDRESS_TYPES if name.startswith("fib ") else words
            if written in words:
                return words[written]
            try:
                return int(IPv6Address(written) if ":" in written else IPv4Address(written))
            except ValueError:
                pass
        raise self.refuse(f"the value {written}")
