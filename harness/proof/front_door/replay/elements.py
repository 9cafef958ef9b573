"""Elements of sets and maps as nft reads and prints them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from harness.proof.errors import Unmodelled
from harness.proof.front_door.datagrams import Element
from harness.proof.front_door.expressions import Expressions
from harness.proof.front_door.statements import Masked, width_of
from harness.proof.ruleset import Field

_WIDTHS = {"integer": 32, "ipv4_addr": 32, "ipv6_addr": 128, "inet_service": 16}
_OF_FIELDS = {"ip": "ipv4_addr", "ip6": "ipv6_addr", "udp": "inet_service"}


class Form:
    """Types of the keys and values of a set or map.

    Args:
        kind: set or map.
        listed: the set or map in nft's JSON.
    """

    def __init__(self, kind: str, listed: Mapping[str, Any]) -> None:
        self.kind = kind
        self.name: str = listed["name"]
        self._key = _types(listed["type"])
        self._value = _types(listed["map"]) if "map" in listed else ()
        self._lease = listed.get("timeout", 0)

    def written(self, key: int, value: int, limit: str = "") -> str:
        """An element in nft's language, whose lease is half over.

        Args:
            limit: its rate.
        """
        lease = f" timeout {self._lease}s expires {self._lease // 2}s" if self._lease else ""
        named = f" : {_text(self._value, value)}" if self._value else ""
        return f"{_text(self._key, key)} {limit}{lease}{named}"

    def read(self, listed: Mapping[str, Any]) -> Iterator[tuple[int, Element]]:
        """Yields keys and elements of a set or map that nft printed."""
        for each in listed.get("elem", ()):
            key, value = each if self._value else (each, 0)
            body = key.get("elem", {}) if isinstance(key, dict) else {}
            number = _number(self._key, body.get("val", key))
            renewed = body.get("expires", 0) > self._lease // 2 + 1
            yield number, Element(there=True, value=_number(self._value, value), renewed=renewed)

    def filler(self) -> str:
        """An element that no datagram has."""
        return self.written(1, 1)


def _types(written: Any) -> tuple[str, ...]:
    if isinstance(written, dict) and set(written) == {"typeof"}:
        # Newer versions of nft print the expression that has the type.
        parts = Expressions({}, "nftables").key(written["typeof"]).parts
        return tuple(_type_of(each) for each in parts)
    return tuple(written) if isinstance(written, list) else (written,)


def _type_of(part: Any) -> str:
    if isinstance(part, Masked):
        return _type_of(part.of)
    if isinstance(part, Field):
        return _OF_FIELDS[part.name.split(maxsplit=1)[0]]
    if width_of(part) != _WIDTHS["integer"]:
        raise Unmodelled(f"a key of {width_of(part)} bits", "nftables")
    return "integer"


def _text(types: Sequence[str], value: int) -> str:
    found: list[str] = []
    for kind in reversed(types):
        value, part = divmod(value, 1 << _WIDTHS[kind])
        found.insert(0, str({"ipv4_addr": IPv4Address, "ipv6_addr": IPv6Address}.get(kind, int)(part)))
    return " . ".join(found)


def _number(types: Sequence[str], written: Any) -> int:
    found = 0
    parts = written["concat"] if isinstance(written, dict) else [written]
    for kind, part in zip(types, parts, strict=False):
        number = int({"ipv4_addr": IPv4Address, "ipv6_addr": IPv6Address}.get(kind, int)(part))
        found = found << _WIDTHS[kind] | number
    return found
