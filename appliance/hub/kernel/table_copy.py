"""Copies of the tables of nftables: read from one namespace and loaded into another, as the kernel itself writes them.

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
from itertools import count

from appliance.hub.errors import RulesetError, RulesTooLarge, reason
from appliance.hub.kernel import namespace, netlink
from appliance.hub.kernel import nf_tables as nf
from appliance.hub.kernel.netlink import APPEND, CREATE, INET, Message

_GET = 1
"""Distance from the number of a message that adds objects to that of the message that lists them."""

_FAMILIES = (INET, 2, 5)
"""Families of tables that see IPv4 packets on a link: inet, ip and netdev."""

_DORMANT = 1
"""Flag of a table that judges nothing; the others say which program owns it."""
# What makes up each kind of object; the rest, such as handles and numbers of uses, is the kernel's to assign.
_OF_CHAIN = {1, 3, 4, 5, 7, 10}
_OF_RULE = {1, 2, 4}
_OF_SET = {*range(1, 10), 11, 12, 13, 15, 17, 18}
_OF_OBJECT = {1, 2, 3, 4}
_EVALUATED = 0x20
"""Flag of a set that packets fill; what they filled in is not copied."""

_NAMES_A_SET = {"lookup": 1, "dynset": 1, "objref": 4}
"""Attribute with the name of the set, by the kind of expression."""

_AT_ONCE = 100_000
_MOST_TRIES = 3
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class TableCopy:
    """All tables that see IPv4 packets, as they were at one moment.

    Attributes:
        head: messages that add the tables, their chains and counters.
        parts: messages of each rule, with those of its sets before it.
    """

    head: tuple[Message, ...]
    parts: tuple[tuple[Message, ...], ...]

    def load(self) -> None:
        """Add the tables to the namespace of the calling thread, which must not have them yet.

        Raises:
            RulesetError: the kernel refused a part; those before it remain.
        """
        with closing(netlink.opened()) as connection:
            connection.settimeout(_TIMEOUT_S)
            try:
                netlink.make_room(connection)
                for messages in _batches((*((each,) for each in self.head), *self.parts)):
                    if error := next(netlink.complaints(connection, messages, batch=netlink.NFTABLES), 0):
                        raise OSError(error, "")
            except OSError as error:
                raise RulesetError(f"a copy of the rules can't be loaded: {reason(error)}") from error


def read(name: str, *, most_bytes: int) -> TableCopy:
    """Read the tables in the namespace of that name, whoever made them; an empty copy if there are none.

    Args:
        most_bytes: limit of the kernel's answers.

    Raises:
        RulesTooLarge: the tables are larger.
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
                found = _Reader(connection, most_bytes).read()
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                raise RulesetError(f"the rules of {name} can't be read: {reason(error)}") from error
            if _generation(connection) == before:
                return found
    raise RulesetError(f"the rules of {name} change all the time")


class _Reader:
    def __init__(self, connection: socket.socket, most_bytes: int) -> None:
        self._connection = connection
        self._left = most_bytes
        self._set_ids = count(1)

    def read(self) -> TableCopy:
        head: list[Message] = []
        parts: list[tuple[Message, ...]] = []
        for family in _FAMILIES:
            for table in list(self._listed(nf.NEW_TABLE, family, b"")):
                self._read_table(family, table, head, parts)
        return TableCopy(tuple(head), tuple(parts))

    def _read_table(self, family: int, table: bytes, head: list[Message], parts: list[tuple[Message, ...]]) -> None:
        of_table = netlink.only(table, {nf.TABLE})
        flags = int.from_bytes(dict(netlink.attributes(table)).get(nf.TABLE_FLAGS, b""), "big") & _DORMANT
        head.append(Message(nf.NEW_TABLE, family, of_table + _number(nf.TABLE_FLAGS, flags), CREATE))
        for kind, made_of in ((nf.NEW_CHAIN, _OF_CHAIN), (nf.NEW_OBJECT, _OF_OBJECT)):
            head += (
                Message(kind, family, netlink.only(each, made_of), CREATE)
                for each in self._listed(kind, family, of_table)
            )
        sets = dict(self._sets(family, of_table))
        for rule in self._listed(nf.NEW_RULE, family, of_table):
            added = Message(nf.NEW_RULE, family, netlink.only(rule, _OF_RULE), CREATE | APPEND)
            # A set that two rules name is added once.
            needed = [each for name in _sets_of(rule) for each in sets.pop(name, ())]
            parts.append((*needed, added))

    def _sets(self, family: int, of_table: bytes) -> Iterator[tuple[bytes, tuple[Message, ...]]]:
        for found in list(self._listed(nf.NEW_SET, family, of_table)):
            named = dict(netlink.attributes(found))
            numbered = netlink.only(found, _OF_SET) + _number(nf.SET_ID, next(self._set_ids))
            messages = [Message(nf.NEW_SET, family, numbered, CREATE)]
            if not int.from_bytes(named.get(nf.SET_FLAGS, b""), "big") & _EVALUATED:
                which = of_table + netlink.attribute(nf.ELEMENTS_SET, named[nf.SET_NAME])
                messages += (
                    Message(nf.NEW_ELEMENTS, family, each, CREATE)
                    for each in self._listed(nf.NEW_ELEMENTS, family, which)
                )
            yield named[nf.SET_NAME], tuple(messages)

    def _listed(self, kind: int, family: int, which: bytes) -> Iterator[bytes]:
        """List objects of the table that `which` names, or all tables if it is empty."""
        wanted = next((value for key, value in netlink.attributes(which) if key == nf.TABLE), None)
        for answer in netlink.answers(self._connection, Message(kind + _GET, family, which)):
            self._left -= len(answer)
            if self._left < 0:
                raise RulesTooLarge("the rules are too large to be copied")
            # Older kernels list chains of all tables.
            if wanted in (None, next((value for key, value in netlink.attributes(answer) if key == nf.TABLE), b"")):
                yield answer


def _number(kind: int, value: int) -> bytes:
    return netlink.attribute(kind, struct.pack("!I", value))


def _sets_of(rule: bytes) -> Iterator[bytes]:
    """Names of the sets in a rule's expressions."""
    expressions = dict(netlink.attributes(rule)).get(nf.RULE_EXPRESSIONS, b"")
    for kind, element in netlink.attributes(expressions):
        parts = dict(netlink.attributes(element)) if kind == nf.LIST_ELEMENT else {}
        place = _NAMES_A_SET.get(parts.get(nf.EXPRESSION_NAME, b"").rstrip(b"\0").decode())
        name = dict(netlink.attributes(parts.get(nf.EXPRESSION_DATA, b""))).get(place) if place else None
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
        return netlink.answer(connection, nf.GET_GENERATION)
    except OSError as error:
        raise RulesetError(f"the kernel did not answer: {reason(error)}") from error
