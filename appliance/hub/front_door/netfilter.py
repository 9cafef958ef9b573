"""Reader of an nftables table by netlink, without the elements of its sets, and changes of a set of ports.

libnftables fetches every element of a table before it lists anything of it: half a second with 20,000 sessions, against
less than a millisecond here. Source: <linux/netfilter/nf_tables.h>.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from appliance.hub.errors import RulesetError
from appliance.hub.front_door.errors import DoorError
from appliance.hub.kernel import netlink
from appliance.hub.kernel import nf_tables as nf
from appliance.hub.kernel.netlink import KernelRefusal, Message

# Handles, use counts and values: what differs between two tables that do the same.
_VOLATILE = {
    nf.GET_CHAIN: frozenset({2, 6, 8}),
    nf.GET_RULE: frozenset({3, 6}),
    nf.GET_SET: frozenset({10, 16, 20}),
    nf.GET_OBJECT: frozenset({4, 5, 6}),
}
# Elements of a message: an attribute has no more than 64 KiB.
_AT_ONCE = 2000
_TIMEOUT_S = 2.0

Attributes = dict[int, bytes]
NetlinkObject = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class TableStructure:
    """Structure of a table without its elements; equal for tables that treat packets alike.

    Attributes:
        chains: attributes of the chains, hooks and policies included.
        rules: each with its chain and its position there.
        sets: attributes of sets and maps, types and sizes included.
        counters: attributes of the counters, names included.
    """

    chains: frozenset[NetlinkObject]
    rules: frozenset[tuple[bytes, int, NetlinkObject]]
    sets: frozenset[NetlinkObject]
    counters: frozenset[NetlinkObject]

    def __bool__(self) -> bool:
        return bool(self.chains or self.rules or self.sets or self.counters)


class TableReader:
    """Reads one inet table of the calling thread's network namespace.

    Raises:
        DoorError: (every method) the kernel refused to list it.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self._of_table = netlink.text(nf.TABLE, table)
        self._socket = netlink.opened()

    def close(self) -> None:
        self._socket.close()

    def shape(self) -> TableStructure:
        """Read the table's structure; it is false if there is no table or nothing in it."""
        rules: list[tuple[bytes, int, NetlinkObject]] = []
        places: Counter[bytes] = Counter()
        for attributes in self._dump(nf.GET_RULE):
            chain = attributes[nf.RULE_CHAIN]
            rules.append((chain, places[chain], _stable(nf.GET_RULE, attributes)))
            places[chain] += 1
        chains, sets, counters = (
            frozenset(_stable(kind, each) for each in self._dump(kind))
            for kind in (nf.GET_CHAIN, nf.GET_SET, nf.GET_OBJECT)
        )
        return TableStructure(chains, frozenset(rules), sets, counters)

    def ports(self, name: str) -> frozenset[int]:
        """Read the elements of a set of ports; empty if there is no such set."""
        found = set()
        for attributes in self._dump(nf.GET_ELEMENTS, netlink.text(nf.SET_NAME, name)):
            for _, element in netlink.attributes(attributes.get(nf.ELEMENTS, b"")):
                key = dict(netlink.attributes(dict(netlink.attributes(element))[nf.ELEMENT_KEY]))
                found.add(int.from_bytes(key[nf.DATA_VALUE][:2], "big"))
        return frozenset(found)

    def has_element(self, name: str, key: bytes) -> bool:
        """Tell whether a set or map exists and has this key (network byte order)."""
        return bool(self._elements(name, key))

    def port_of(self, name: str, key: bytes) -> int | None:
        """Look up the port that a map has for this key (network byte order); None if there is none."""
        for element in self._elements(name, key):
            data = dict(netlink.attributes(dict(netlink.attributes(element)).get(nf.ELEMENT_DATA, b"")))
            return int.from_bytes(data.get(nf.DATA_VALUE, b"")[:2], "big")
        return None

    def fill(self, names: Iterable[str]) -> dict[str, int]:
        """Count the elements of each of these sets and maps; includes some that expired within the last seconds."""
        sets = {each[nf.SET_NAME].rstrip(b"\0").decode(): each for each in self._dump(nf.GET_SET)}
        return {name: self._count(name, sets[name]) for name in names if name in sets}

    def _count(self, name: str, attributes: Attributes) -> int:
        if nf.SET_COUNT in attributes:
            return int.from_bytes(attributes[nf.SET_COUNT], "big")
        # Not every kernel reports the count.
        return self.listed(name)

    def listed(self, name: str) -> int:
        """Count the elements of a set or map by listing them."""
        parts = self._dump(nf.GET_ELEMENTS, netlink.text(nf.SET_NAME, name))
        return sum(1 for part in parts for _ in netlink.attributes(part.get(nf.ELEMENTS, b"")))

    def _elements(self, name: str, key: bytes) -> list[bytes]:
        wanted = _value(key)
        for kind in (nf.ELEMENT_KEY, nf.LIST_ELEMENT, nf.ELEMENTS):
            wanted = netlink.nested(kind, wanted)
        answers = self._ask(nf.GET_ELEMENTS, netlink.text(nf.SET_NAME, name) + wanted, netlink.ACK)
        return [element for answer in answers for _, element in netlink.attributes(answer.get(nf.ELEMENTS, b""))]

    def counters(self) -> dict[str, int]:
        """Read packets by the counter's name; empty if there is no such table."""
        return {name: count.packets for name, count in map(nf.counter, self._dump(nf.GET_OBJECT))}

    def _dump(self, kind: int, more: bytes = b"") -> list[Attributes]:
        while True:
            try:
                answers = list(self._ask(kind, more, netlink.DUMP))
            except KernelRefusal:
                continue
            name = netlink.packed_text(self._table)
            return [each for each in answers if each.get(nf.TABLE) == name]

    def _ask(self, kind: int, more: bytes, flags: int) -> Iterator[Attributes]:
        which = Message(kind, netlink.INET, self._of_table + more)
        try:
            for answer in netlink.answers(self._socket, which, flags):
                yield dict(netlink.attributes(answer))
        except KernelRefusal as error:
            if error.errno == errno.EINTR:
                raise
            if error.errno != errno.ENOENT:
                raise DoorError(f"nftables could not show table {self._table}: {error.strerror}") from error


class PortSet:
    """Changes one set of ports of an inet table, in the network namespace of the thread that makes this object.

    libnftables reads much of a table before it adds a port, which takes a millisecond of a processor.
    """

    def __init__(self, table: str, name: str) -> None:
        self._of_set = netlink.text(nf.TABLE, table) + netlink.text(nf.SET_NAME, name)
        self._socket = self._opened()

    def close(self) -> None:
        self._socket.close()

    def change(self, add: Collection[int], remove: Collection[int]) -> None:
        """Remove some ports, which must be there, and add others, in one transaction.

        Raises:
            RulesetError: the kernel refused; nothing has changed.
        """
        messages = [
            *self._messages(nf.DELETE_ELEMENTS, remove, 0),
            *self._messages(nf.NEW_ELEMENTS, add, netlink.CREATE),
        ]
        if not messages:
            return
        try:
            code = next(netlink.complaints(self._socket, messages, batch=netlink.NFTABLES), 0)
        except OSError as error:
            code = error.errno or errno.ETIMEDOUT
        if code:
            # Answers that are still to come must not be taken for those to the next transaction.
            self._socket.close()
            self._socket = self._opened()
            raise RulesetError(f"the kernel refused to change the front door's ports: {os.strerror(code)}")

    def _messages(self, kind: int, ports: Collection[int], flags: int) -> Iterator[Message]:
        ordered = sorted(ports)
        for at in range(0, len(ordered), _AT_ONCE):
            elements = b"".join(
                netlink.nested(nf.LIST_ELEMENT, netlink.nested(nf.ELEMENT_KEY, _value(port.to_bytes(2, "big"))))
                for port in ordered[at : at + _AT_ONCE]
            )
            attributes = self._of_set + netlink.nested(nf.ELEMENTS, elements)
            yield Message(kind, netlink.INET, attributes, flags)

    def _opened(self) -> socket.socket:
        opened = netlink.opened()
        opened.settimeout(_TIMEOUT_S)
        netlink.make_room(opened)
        return opened


def _value(value: bytes) -> bytes:
    return netlink.attribute(nf.DATA_VALUE, value)


def _stable(kind: int, attributes: Attributes) -> NetlinkObject:
    return tuple(sorted((key, value) for key, value in attributes.items() if key not in _VOLATILE[kind]))
