"""Classes of datagrams and of contents of the maps, of which one run meets one each.

A rule compares a value with a constant or looks it up. So values that no constant and no entry tells apart are in one
class: each value is one of the constants that it is compared with, or one of a few others. Two links stand for all
links, and another port that a rule names may be a link's. An index is that of the datagram's first or second field, or
whatever bytes a rule puts together. An entry of a map is not there, or names one link or the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from harness.proof.front_door.choices import Choices
from harness.proof.front_door.claims import ANSWER, COOKIE, DATA, DESK, HANDED, INITIATION, INNER, REPLIED
from harness.proof.front_door.statements import (
    ADDRESSES,
    ANOTHER_USER,
    HEADER_BYTES,
    IPV4,
    IPV6,
    LOCAL,
    UDP,
    UNICAST,
    Change,
    Compare,
    Door,
    Entry,
    Masked,
    Member,
    Statement,
    Store,
)
from harness.proof.ruleset import Field, Raw, parts_of

K = TypeVar("K")

ONE, OTHER = 0xF0F1, 0xF2F3
"""Ports of two links."""

_ELSEWHERE = 0xE0E1
_TYPES = (INITIATION, ANSWER, COOKIE, DATA, 0x5A5A5A5A)
_WORDS = (0xA1A2A3A4, 0xB1B2B3B4, 0xC1C2C3C4, 0xD1D2D3D4)
_LENGTHS = (0, 8, 12, 16)
_PAYLOAD, _LENGTH_AT, _PORT_BITS = 8, 4, 16
_PORTS = ("udp sport", "udp dport")
_CLAIMED = {"prerouting": "udp dport", "output": "udp sport"}
"""The port that the claims about a hook speak of."""

_ADDRESS = 0xC0000203
_MULTICAST = 5
_OTHERS: Mapping[str, tuple[int, ...]] = {
    "meta nfproto": (IPV4, IPV6),
    "meta l4proto": (UDP, 6),
    "meta iif": (2, 1),
    "meta oif": (2, 1),
    "meta mark": (0,),
    "meta skuid": (ANOTHER_USER,),
    "fib daddr type": (LOCAL, UNICAST, _MULTICAST),
    "fib saddr type": (LOCAL, UNICAST),
    **{name: (address,) for name, address in ADDRESSES.items()},
}


@dataclass(frozen=True)
class Values:
    """Values that a hook's rules tell apart, and of which its datagrams are made.

    Attributes:
        desk: ports of the hub's process for known sources.
        closed: ports that are no link's.
        lengths: numbers of bytes that can be read.
        fields: constants that fields are compared with, by name.
        words: constants that other bytes are compared with, by their first bit.
        ports: options of each port.
        looked_up: sets and maps that a rule or a claim looks up; which keys others have makes no difference.
        followed: maps whose values a rule writes to the datagram.
    """

    desk: frozenset[int]
    closed: frozenset[int]
    lengths: tuple[int, ...]
    fields: Mapping[str, frozenset[int]]
    words: Mapping[int, frozenset[int]]
    ports: Mapping[str, tuple[int, ...]]
    looked_up: frozenset[str]
    followed: frozenset[str]


def values_of(door: Door, hook: str, desk: frozenset[int], public: int = 0) -> Values:
    """Collects the values that a hook's rules tell apart.

    Args:
        desk: ports of the hub's process for known sources.
        public: the port that all links share; 0 if it is not known.
    """
    reached = door.reached(hook)
    fields: defaultdict[str, set[int]] = defaultdict(set)
    words: defaultdict[int, set[int]] = defaultdict(set)
    looked_up, followed = set(), set()
    for each in reached:
        if isinstance(each, Compare):
            left = each.left.of if isinstance(each.left, Masked) else each.left
            (words[left.offset] if isinstance(left, Raw) else fields[left.name]).add(each.right)
        elif isinstance(each, Member):
            looked_up.add(each.name)
        elif isinstance(each, Store) and isinstance(each.value, Entry):
            followed.add(each.value.name)
    ports = {}
    for name in _PORTS:
        # A port that no claim is about, and that is only a part of longer keys, may be any one. The one that claims are
        # about may be either link's: nothing else tells the two apart.
        is_told_apart = any(_matters(each, Field(name)) for each in reached)
        links = (ONE,) if name == _CLAIMED[hook] else (ONE, OTHER) if is_told_apart else ()
        ports[name] = (_ELSEWHERE, *links, *sorted(fields[name] | (desk if hook == "prerouting" and links else set())))
    return Values(
        desk,
        frozenset((0, public, _ELSEWHERE)) | desk,
        _lengths(door, hook),
        _frozen(fields),
        _frozen(words),
        ports,
        # Claims look up the notes of first messages, also those that no rule does.
        frozenset((*looked_up, *followed, *HANDED.values(), *REPLIED.values())),
        frozenset(followed),
    )


def _lengths(door: Door, hook: str) -> tuple[int, ...]:
    """Lengths of datagrams: all that is read can be read, or not the last part of it, and so on."""
    reads_second_index = hook == "prerouting" or any(
        isinstance(part, Raw) and part.offset + part.length > 8 * _LENGTHS[-1]
        for statement in door.reached(hook)
        for part in parts_of(statement)
    )
    return (HEADER_BYTES, *_LENGTHS) if reads_second_index else _LENGTHS[::-1]


def _matters(statement: Statement, port: Field) -> bool:
    if isinstance(statement, Change):
        return statement.value == port
    if isinstance(statement, Member):
        return statement.key.parts == (port,)
    if isinstance(statement, Compare):
        return port in (statement.left, getattr(statement.left, "of", None))
    return isinstance(statement, Store) and port in (statement.value, statement.field)


def _frozen(values: Mapping[K, Iterable[int]]) -> dict[K, frozenset[int]]:
    return {key: frozenset(each) for key, each in values.items()}


@dataclass(frozen=True)
class Element:
    """An element of a set or map, or the lack of one.

    Attributes:
        value: of a map.
        renewed: its lease began with this datagram.
    """

    there: bool
    value: int = 0
    renewed: bool = False


class World:
    """A datagram and what the sets and maps contain, of which each part is chosen when it is first asked for.

    Attributes:
        before, after: elements by the set's name and key.
    """

    def __init__(self, door: Door, values: Values) -> None:
        self._door = door
        self._values = values
        self._choices = Choices()
        self._header: dict[int, int] = {}
        self._fields: dict[str, int] = {}
        self._readable: int | None = None
        self.before: dict[tuple[str, int], Element] = {}
        self.after: dict[tuple[str, int], Element] = {}

    def part(self, choices: Choices) -> None:
        """Shares nothing that changes with what it was copied from, and makes its next choices there."""
        self._choices = choices
        self._header, self._fields = self._header.copy(), self._fields.copy()
        self.before, self.after = self.before.copy(), self.after.copy()

    def chance(self, *, usual: bool = False) -> bool:
        """Something that nobody knows: a rate, or whether there is room."""
        return self._choices.one_of((usual, not usual))

    @property
    def asked(self) -> frozenset[str]:
        """Names of the fields that were asked for."""
        return frozenset(self._fields)

    def datagram(self) -> tuple[dict[str, int], bytes, int]:
        """Fields, UDP header and payload, and the number of their bytes that are there.

        What nothing has asked for has ordinary values.
        """
        fields = {name: options[0] for name, options in _OTHERS.items()} | self._fields
        header = bytearray(HEADER_BYTES)
        for at, value in self._header.items():
            size = 2 if at < _PAYLOAD else 4
            header[at : at + size] = value.to_bytes(size, "big")
        return fields, bytes(header), HEADER_BYTES if self._readable is None else self._readable

    @property
    def readable(self) -> int:
        """Bytes of UDP header and payload that can be read."""
        if self._readable is None:
            self._readable = self._choices.one_of(self._values.lengths)
        return self._readable

    def field(self, name: str) -> int:
        """A field that is in no UDP header."""
        if name not in self._fields:
            options = dict.fromkeys((*_OTHERS[name], *self._values.fields.get(name, ())))
            self._fields[name] = self._choices.one_of(tuple(options))
        return self._fields[name]

    def bits(self, first: int, length: int) -> int:
        """Bits of the UDP header and payload."""
        unit = 16 if first < 8 * _PAYLOAD else 32
        if length == unit and first % unit == 0:
            return self._segment(first // 8)
        begin = at = first // unit * unit // 8
        found = b""
        while 8 * at < first + length:
            size = 2 if at < _PAYLOAD else 4
            found += self._segment(at).to_bytes(size, "big")
            at += size
        skipped = first // 8 - begin
        return int.from_bytes(found[skipped : skipped + length // 8], "big")

    def _segment(self, at: int) -> int:
        if at not in self._header:
            self._header[at] = self._choices.one_of(self._options(at))
        return self._header[at]

    def _options(self, at: int) -> tuple[int, ...]:
        """Values of a part of the header, by its first byte."""
        if at < _LENGTH_AT:
            return self._values.ports["udp dport" if at else "udp sport"]
        if at < _PAYLOAD:
            return tuple({0x0100} | self._values.fields.get("udp length", frozenset()))
        usual: tuple[int, ...] = _TYPES
        if at > _PAYLOAD:
            number = at // 4 - 3
            # The second index may be equal to the first one.
            usual = (_WORDS[1], _WORDS[0]) if number == 1 else (_WORDS[number % len(_WORDS)] + number,)
        return tuple(dict.fromkeys((*usual, *self._values.words.get(8 * at, ()))))

    def element(self, name: str, key: int) -> Element:
        """An element of a set or map as it is now."""
        if (name, key) not in self.after:
            self.before[name, key] = self.after[name, key] = self._element(name, key)
        return self.after[name, key]

    def first_element(self, name: str, key: int) -> Element:
        """An element of a set or map as it was before the datagram."""
        self.element(name, key)
        return self.before[name, key]

    def _element(self, name: str, key: int) -> Element:
        if name == DESK:
            return Element(there=key in self._values.desk)
        if name == INNER:
            # Any other port that a rule names may be a link's.
            return Element(there=key in (ONE, OTHER) or (key not in self._values.closed and self.chance()))
        value = self._door.memories[name].value
        if value == 0 and name not in self._values.looked_up:
            return Element(there=False)
        if value == 0:
            return Element(self.chance())
        options: tuple[int | None, ...] = (None, ONE, OTHER) if value == _PORT_BITS else (None, _ADDRESS)
        if name in self._values.followed and value == _PORT_BITS:
            options += (_ELSEWHERE,)
        named = self._choices.one_of(options)
        return Element(named is not None, named or 0)
