"""The front door's nftables table: created, adopted, repaired, removed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from enum import Enum
from typing import Any

import nftables

from appliance.hub.errors import RulesetError
from appliance.hub.front_door import last_endpoints, rules, transactions
from appliance.hub.front_door.last_endpoints import LastEndpoint
from appliance.hub.front_door.memory import MEMORIES
from appliance.hub.front_door.netfilter import PortSet, TableReader, TableStructure
from appliance.hub.front_door.rules import Layout
from appliance.hub.kernel import namespace, nft


class DoorRepair(Enum):
    """Repair that a table needed."""

    NONE = "none"
    IN_PLACE = "in place"
    """The rules were reloaded; the kernel still knows every session."""
    AFRESH = "afresh"
    """The table had lost its sessions; those that `DoorTable.resume` does not name wait for their next handshake."""


class DoorTable:
    """The table in the network namespace of the thread that makes this object; any thread may use it.

    The kernel keeps the table and its elements without this process.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self._nftables: Any = nftables.Nftables()
        self._reader = TableReader(layout.table)
        self._inner = PortSet(layout.table, rules.INNER)
        # Some kernels have to list what they are asked to count: nothing else waits for that.
        self._counting = threading.Lock()
        self._counter = TableReader(layout.table)
        self._intended = namespace.in_scratch(lambda: _shape_of(layout))

    def close(self) -> None:
        """Close the netlink sockets; the table stays."""
        with self._lock:
            self._reader.close()
            self._inner.close()
            self._nftables = None
        with self._counting:
            self._counter.close()

    def admitted(self) -> frozenset[int]:
        """Inner ports whose packets are delivered."""
        with self._lock:
            return self._reader.ports(rules.INNER)

    def repair(self, ports: Iterable[int]) -> DoorRepair:
        """Repair or create the table, and admit these inner ports.

        Raises:
            RulesetError: the kernel refused.
        """
        text = transactions.in_place(self._layout) + transactions.admitted(self._layout.table, ports)
        with self._lock:
            found, remembers = self._reader.shape(), self._remembers()
            if remembers and self._is_whole(found):
                return DoorRepair.NONE
            # libnftables 1.0.6 crashes over a set whose type is not what it is told: such a table goes first, and in a
            # transaction of its own. It was damaged already.
            if found.sets <= self._intended.sets:
                with suppress(RulesetError):
                    self._load(text)
                    if self._is_whole(self._reader.shape()):
                        return DoorRepair.IN_PLACE if remembers else DoorRepair.AFRESH
            self._load(transactions.gone(self._layout.table))
            self._load(text)
            return DoorRepair.AFRESH

    def change(self, admit: Iterable[int] = (), dismiss: Iterable[int] = ()) -> None:
        """Admit some inner ports and dismiss others, in one transaction.

        Raises:
            RulesetError: the kernel refused.
        """
        admit, dismiss = frozenset(admit), frozenset(dismiss)
        with self._lock:
            try:
                self._inner.change(admit, dismiss)
            except RulesetError:
                # The kernel refuses to take out what somebody else has taken out.
                self._inner.change(admit, dismiss & self._reader.ports(rules.INNER))

    def resume(self, sessions: Iterable[LastEndpoint]) -> None:
        """Find these sessions by their source where their index is unknown; replaces earlier ones.

        Raises:
            RulesetError: the kernel refused.
        """
        with self._lock:
            self._load(last_endpoints.resumed(self._layout.table, sessions))

    def fill(self) -> dict[str, int]:
        """Numbers of elements of the sets and maps that packets fill, by name."""
        with self._counting:
            return self._counter.fill(each.name for each in MEMORIES)

    def counters(self) -> dict[str, int]:
        """Packets that were dropped or lost their preference, by reason, since the table was created."""
        with self._lock:
            return self._reader.counters()

    def _is_whole(self, found: TableStructure) -> bool:
        return found == self._intended and self._reader.ports(rules.DESK) == {self._layout.known_port}

    def _remembers(self) -> bool:
        return all(self._reader.has_element(name, bytes(size)) for name, (_, size) in transactions.SENTINELS.items())

    def _load(self, text: str) -> None:
        if text:
            _run(self._nftables, text)


def known_port(name: str) -> int:
    """Port for known sources in the table of this name in this thread's namespace; 0 if there is none."""
    with closing(TableReader(name)) as reader:
        return min(reader.ports(rules.DESK), default=0)


def open_ports(name: str) -> frozenset[int]:
    """Inner ports that the table of this name in this thread's namespace admits."""
    with closing(TableReader(name)) as reader:
        return reader.ports(rules.INNER)


def remove(name: str) -> None:
    """Remove the table of this name from this thread's namespace, if there is one.

    Raises:
        RulesetError: the kernel refused.
    """
    _run(nftables.Nftables(), transactions.gone(name))


def _run(context: Any, text: str) -> None:
    nft.run(context, text, "the front door's rules")


def _shape_of(layout: Layout) -> TableStructure:
    """Structure of an intact table, as this host's versions of nftables and kernel show it."""
    _run(nftables.Nftables(), transactions.in_place(layout))
    with closing(TableReader(layout.table)) as reader:
        return reader.shape()
