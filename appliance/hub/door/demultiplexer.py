"""Hands each initiation to the link of the organization that it is meant for."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from appliance.hub.door.budget import Budget
from appliance.hub.door.datagram import Arrival, packet
from appliance.hub.door.directory import Directory, Entry
from appliance.hub.door.errors import DoorError
from appliance.hub.door.initiation import is_initiation
from appliance.hub.door.sockets import DoorSockets, overflowed, receive

log = structlog.get_logger()

_SHARE = 0.2
_SAVED_S = 0.1
# After so long a look at what strangers sent, known sources get a turn.
_TURN_S = 0.001
_AT_ONCE = 64


@dataclass(frozen=True)
class Tally:
    """What became of initiations, since the demultiplexer of this process was made.

    Attributes:
        demultiplexed: handed to an organization's link.
        unknown_key: meant for no organization of this hub.
        over_budget: not looked at, because looking would have taken more than strangers' share of time.
        overflow: found the queue of their socket full.
        unreadable: no initiations at all. The kernel's part keeps such away; they come while it is damaged.
        refused: the host did not let us hand them on.
    """

    demultiplexed: int = 0
    unknown_key: int = 0
    over_budget: int = 0
    overflow: int = 0
    unreadable: int = 0
    refused: int = 0


class Demultiplexer:
    """A thread between the door's sockets and the organizations' links.

    An initiation of a known source that is meant for the organization which that source last spoke to is handed on at
    once. Any other one takes a search through all organizations, which costs the more the more there are; searches
    together get a fifth of one processor, so a flood can slow down the handshakes of strangers and nothing else.

    The link gets the datagram as if it came from the machine itself, by a raw socket and ``lo``: it can tell where to
    answer, and learns where the machine is.

    Args:
        met: is told of an organization when a source that it was not known by shook hands with it; must not take long.

    Made in the network namespace of the sockets, whose raw sockets it needs.

    Raises:
        DoorError: the host does not let us have a raw socket; it takes CAP_NET_RAW.
    """

    def __init__(
        self,
        sockets: DoorSockets,
        directory: Directory,
        met: Callable[[str], None],
        budget: Budget | None = None,
    ) -> None:
        self._sockets = sockets
        self._met = met
        self._directory = directory
        self._budget = budget or Budget(_SHARE, _SAVED_S)
        self._counts = dict.fromkeys(("demultiplexed", "unknown_key", "over_budget", "unreadable", "refused"), 0)
        self._overflow_before = self._overflow()
        self._thread: threading.Thread | None = None
        self._raw: dict[int, socket.socket] = {}
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._raw[4] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            if sockets.public6 is not None:
                self._raw[6] = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except OSError as error:
            self._close()
            raise DoorError(f"no raw socket for the front door: {error.strerror}") from error

    def start(self) -> None:
        """Begins, with what waits in the queues. Doing it again changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="front-door", daemon=True)
            self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has begun."""
        return self._thread is not None

    def stop(self) -> None:
        """Ends the thread; what it has not looked at stays in the queues."""
        if self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            self._thread = None
        self._close()

    def tally(self) -> Tally:
        """What became of initiations so far."""
        return Tally(**self._counts, overflow=self._overflow() - self._overflow_before)

    def _overflow(self) -> int:
        return sum(map(overflowed, (*self._sockets.public, *self._sockets.known)))

    def _close(self) -> None:
        for each in self._raw.values():
            each.close()
        self._raw.clear()
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    def _run(self) -> None:
        while True:
            try:
                if self._turn():
                    return
            except Exception:
                # Whatever a stranger sent must not close the door for everybody.
                log.exception("the front door stumbled")
                self._counts["unreadable"] += 1

    def _turn(self) -> bool:
        """One look at all queues; whether it is time to stop."""
        wait = self._budget.wait()
        poll = select.poll()
        for each in (*self._sockets.known, *(() if wait else self._sockets.public)):
            poll.register(each, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(wait * 1000 if wait else None)}
        if self._wake in ready:
            return True
        for each in self._sockets.known:
            if each.fileno() in ready:
                self._serve_known(each)
        for each in self._sockets.public:
            if each.fileno() in ready:
                self._serve_strangers(each)
        return False

    def _serve_known(self, sock: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            arrival = receive(sock)
            if arrival is None:
                return
            if not is_initiation(arrival.payload):
                self._counts["unreadable"] += 1
            elif (entry := self._directory.recall(arrival.source, arrival.payload)) is not None:
                self._hand_on(arrival, entry)
            elif self._budget.wait():
                self._counts["over_budget"] += 1
            else:
                with self._budget.spending():
                    self._search(arrival)

    def _serve_strangers(self, sock: socket.socket) -> None:
        until = time.monotonic() + _TURN_S
        with self._budget.spending():
            while time.monotonic() < until:
                arrival = receive(sock)
                if arrival is None:
                    return
                if is_initiation(arrival.payload):
                    self._search(arrival)
                else:
                    self._counts["unreadable"] += 1

    def _search(self, arrival: Arrival) -> None:
        recalled = self._directory.recall(arrival.source, arrival.payload)
        entry = recalled or self._directory.find(arrival.payload)
        if entry is None:
            self._counts["unknown_key"] += 1
            return
        self._directory.remember(arrival.source, entry)
        self._hand_on(arrival, entry)
        if recalled is None:
            self._met(entry.organization)

    def _hand_on(self, arrival: Arrival, entry: Entry) -> None:
        data = packet(arrival, entry.inner_port)
        try:
            if arrival.version == 4:
                self._raw[4].sendto(data, (arrival.destination, 0))
            else:
                scope = arrival.interface if arrival.destination.startswith("fe80") else 0
                self._raw[6].sendto(data, (arrival.destination, 0, 0, scope))
        except OSError:
            self._counts["refused"] += 1
        else:
            self._counts["demultiplexed"] += 1
