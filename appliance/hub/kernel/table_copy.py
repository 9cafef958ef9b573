"""Copies of a table of nftables: read from one namespace and loaded into another, as the kernel itself writes it.

Chains, rules, sets and counters go from dump to transaction byte by byte, so that a copy judges as the original does.
nft(8) can't read all of its own listings, and takes seconds for those of large tables.

Source: <linux/netfilter/nf_tables.h>
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from appliance.hub.errors import RulesetError, reason
from appliance.hub.kernel import namespace, netlink
from appliance.hub.kernel.netlink import APPEND, CREATE, INET, Message

_NEW_TABLE, _NEW_CHAIN, _NEW_RULE, _NEW_SET, _NEW_ELEMENTS, _NEW_OBJECT = (
    netlink.NFTABLES | number for number in (0, 3, 6, 9, 12, 18)
)
_GET = 1
"""Distance from the number of a message that adds objects to that of the message that lists them."""
_GENERATION = Message(netlink.NFTABLES | 16, socket.AF_UNSPEC)

# What makes up each kind of object; the rest, such as handles and numbers of uses, is the kernel's to assign. The
# table's name has the first number with all of them.
_OF_TABLE = 1
_OF_CHAIN = {1, 3, 4, 5, 7, 10}
_OF_RULE, _RULE_EXPRESSIONS = {1, 2, 4}, 4
_OF_SET, _SET_NAME, _SET_FLAGS, _SET_ID = {*range(1, 10), 11, 12, 13, 15, 17, 18}, 2, 3, 10
_OF_OBJECT = {1, 2, 3, 4}
_ELEMENTS_SET = 2
_EVALUATED = 0x20
"""Flag of a set that packets fill; what they filled in is not copied."""

_LIST_ELEMENT, _EXPRESSION_NAME, _EXPRESSION_DATA = 1, 1, 2
_NAMES_A_SET = {"lookup": 1, "dynset": 1, "objref": 4}
"""Attribute with the name of the set, by the kind of expression."""

_AT_ONCE = 100_000
_SO_SNDBUFFORCE = 32
_ROOM = 4 << 20
_MOST_TRIES = 3
_TIMEOUT_S = 5.0


class TooLarge(RulesetError):
    """The table is larger than the caller's limit."""


@dataclass(frozen=True)
class TableCopy:
    """A table as it was at one moment.

    Attributes:
        head: messages that add the table, its chains and counters.
        parts: messages of each rule, with those of its sets before it.
    """

    head: tuple[Message, ...]
    parts: tuple[tuple[Message, ...], ...]

    def load(self) -> None:
        """Add the table to the namespace of the calling thread, which must not have it yet.

        Raises:
            RulesetError: the kernel refused a part; those before it remain.
        """
        with closing(netlink.opened()) as connection:
            connection.settimeout(_TIMEOUT_S)
            try:
                _grow(connection)
                for messages in _batches((*((each,) for each in self.head), *self.parts)):
                    if error := next(netlink.complaints(connection, messages, batch=netlink.NFTABLES), 0):
                        raise OSError(error, "")
            except OSError as error:
                raise RulesetError(f"a copy of the rules can't be loaded: {reason(error)}") from error


def read(name: str, table: str, *, most_bytes: int) -> TableCopy:
    """Read an inet table in the namespace of that name; an empty copy if there is none.

    Args:
        most_bytes: limit of the kernel's answers.

    Raises:
        TooLarge: the table is larger.
        RulesetError: the kernel refused, or the rules changed all the time.
        NamespaceError: there is no such namespace.
    """
    with namespace.entered(name):
        connection = netlink.opened()
    connection.settimeout(_TIMEOUT_S)
    with closing(connection):
        for _ in range(_MOST_TRIES):
            before = _generation(connection)
            try:
                found = _Reader(connection, table, most_bytes).read()
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                raise RulesetError(f"the rules of {name} can't be read: {reason(error)}") from error
            if _generation(connection) == before:
                return found
    raise RulesetError(f"the rules of {name} change all the time")


class _Reader:
    def __init__(self, connection: socket.socket, table: str, most_bytes: int) -> None:
        self._connection = connection
        self._table = table
        self._left = most_bytes

    def read(self) -> TableCopy:
        of_table = netlink.text(_OF_TABLE, self._table)
        chains = list(self._listed(_NEW_CHAIN, b""))
        if not chains:
            return TableCopy((), ())
        head = [
            Message(_NEW_TABLE, INET, of_table, CREATE),
            *(Message(_NEW_CHAIN, INET, netlink.only(each, _OF_CHAIN), CREATE) for each in chains),
            *(
                Message(_NEW_OBJECT, INET, netlink.only(each, _OF_OBJECT), CREATE)
                for each in self._listed(_NEW_OBJECT, of_table)
            ),
        ]
        sets = dict(self._sets(of_table))
        parts = []
        for rule in self._listed(_NEW_RULE, of_table):
            added = Message(_NEW_RULE, INET, netlink.only(rule, _OF_RULE), CREATE | APPEND)
            # A set that two rules name is added once.
            needed = [each for name in _sets_of(rule) for each in sets.pop(name, ())]
            parts.append((*needed, added))
        return TableCopy(tuple(head), tuple(parts))

    def _sets(self, of_table: bytes) -> Iterator[tuple[bytes, tuple[Message, ...]]]:
        for number, found in enumerate(list(self._listed(_NEW_SET, of_table)), 1):
            named = dict(netlink.attributes(found))
            numbered = netlink.only(found, _OF_SET) + netlink.attribute(_SET_ID, struct.pack("!I", number))
            messages = [Message(_NEW_SET, INET, numbered, CREATE)]
            if not int.from_bytes(named.get(_SET_FLAGS, b""), "big") & _EVALUATED:
                which = of_table + netlink.attribute(_ELEMENTS_SET, named[_SET_NAME])
                messages += (Message(_NEW_ELEMENTS, INET, each, CREATE) for each in self._listed(_NEW_ELEMENTS, which))
            yield named[_SET_NAME], tuple(messages)

    def _listed(self, kind: int, which: bytes) -> Iterator[bytes]:
        mine = netlink.packed_text(self._table)
        for answer in netlink.answers(self._connection, Message(kind + _GET, INET, which)):
            self._left -= len(answer)
            if self._left < 0:
                raise TooLarge("the rules are too large to be copied")
            if next((value for key, value in netlink.attributes(answer) if key == _OF_TABLE), b"") == mine:
                yield answer


def _sets_of(rule: bytes) -> Iterator[bytes]:
    """Names of the sets in a rule's expressions."""
    expressions = dict(netlink.attributes(rule)).get(_RULE_EXPRESSIONS, b"")
    for kind, element in netlink.attributes(expressions):
        parts = dict(netlink.attributes(element)) if kind == _LIST_ELEMENT else {}
        place = _NAMES_A_SET.get(parts.get(_EXPRESSION_NAME, b"").rstrip(b"\0").decode())
        name = dict(netlink.attributes(parts.get(_EXPRESSION_DATA, b""))).get(place) if place else None
        if name is not None:
            yield name


def _batches(parts: tuple[tuple[Message, ...], ...]) -> Iterator[list[Message]]:
    """Join parts to transactions. A part stays whole, because the kernel refuses a set that no rule uses."""
    batch: list[Message] = []
    size = 0
    for part in parts:
        added = sum(len(each.attributes) for each in part)
        if batch and size + added > _AT_ONCE:
            yield batch
            batch, size = [], 0
        batch += part
        size += added
    if batch:
        yield batch


def _generation(connection: socket.socket) -> bytes | None:
    try:
        return netlink.answer(connection, _GENERATION)
    except OSError as error:
        raise RulesetError(f"the kernel did not answer: {reason(error)}") from error


def _grow(connection: socket.socket) -> None:
    """Make room for a large transaction, as far as the host allows."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _ROOM)
    except PermissionError:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
