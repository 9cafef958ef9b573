"""Thread that hands each initiation to the link of its organization."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from appliance.hub.front_door.budget import ProcessorBudget
from appliance.hub.front_door.datagram import Arrival, packet, sender_of
from appliance.hub.front_door.directory import Admitted, Directory
from appliance.hub.front_door.errors import DoorError
from appliance.hub.front_door.fair import FairQueue
from appliance.hub.front_door.initiation import is_initiation
from appliance.hub.front_door.known_sources import KnownSources
from appliance.hub.front_door.sockets import DoorSockets, overflowed, receive
from appliance.hub.front_door.token_bucket import TokenBucket

log = structlog.get_logger()

_SHARE = 0.2
_SAVED_S = 0.1
# After so long a look at what strangers sent, known sources get a turn.
_TURN_S = 0.001
_BATCH = 64

# Addresses that are served before WireGuard asks again (5 s), and for each what the rules let through at once: an
# office has one address.
_SENDERS = 512
_PER_SENDER = 128
_LINKS = 4096
_PER_LINK = 128
_MOST_WAITING = 8192

HANDSHAKES = (1000, 2000)
"""The most initiations that are handed on, per second and at once. Each may begin a session."""

ROOMS = {"unsearched": _SENDERS, "found": _LINKS}
"""The most addresses and organizations that have initiations waiting, to be looked at and to be handed on."""

_LOG_EVERY_S = 60.0


@dataclass(frozen=True)
class Tally:
    """Numbers of initiations by outcome, since this process made its demultiplexer.

    Attributes:
        demultiplexed: forwarded to an organization's link.
        unknown_key: encrypted for no organization of this hub.
        crowded: dropped because the queue of strangers was full, for their address or for all.
        link_share: above their organization's share.
        overflow: dropped because the queue of their socket was full.
        unreadable: not initiations. The kernel's table keeps them away unless it is damaged.
        refused: not forwarded because the host refused to send them.
    """

    demultiplexed: int = 0
    unknown_key: int = 0
    crowded: int = 0
    link_share: int = 0
    overflow: int = 0
    unreadable: int = 0
    refused: int = 0


_COUNTED = ("demultiplexed", "unknown_key", "crowded", "link_share", "unreadable", "refused")


class Demultiplexer:
    """A thread between the door's sockets and the organizations' links.

    An initiation of a known source that is meant for the organization which the source is known for goes on at once.
    Any other one takes a search through all organizations, which costs the more the more there are; searches together
    get a fifth of one processor, and addresses take turns, so a flood can slow down the handshakes of strangers and
    nothing else. Each organization has its share of what is handed on, and where all together ask for too much,
    organizations take turns.

    The link gets the datagram as if it came from the machine itself, by a raw socket and ``lo``: it can tell where to
    answer, and learns where the machine is.

    Args:
        known_sources: lookup of known sources.
        on_new_source: called with an organization's id when a source unknown to it sent an initiation; must be quick.

    Made in the network namespace of the sockets, whose raw sockets it needs.

    Raises:
        DoorError: the host does not let us have a raw socket; it takes CAP_NET_RAW.
    """

    def __init__(
        self,
        sockets: DoorSockets,
        directory: Directory,
        known_sources: KnownSources,
        on_new_source: Callable[[str], None],
    ) -> None:
        self._sockets = sockets
        self._on_new_source = on_new_source
        self._directory = directory
        self._known_sources = known_sources
        self._budget = ProcessorBudget(_SHARE, _SAVED_S)
        self._pace = TokenBucket(*HANDSHAKES)
        self._unsearched: FairQueue[str, Arrival] = FairQueue(_SENDERS, _PER_SENDER, _MOST_WAITING)
        self._found: FairQueue[str, tuple[Arrival, Admitted, bool]] = FairQueue(_LINKS, _PER_LINK, _MOST_WAITING)
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._logged: dict[str, float] = {}
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
        """Start the thread, unless it runs; datagrams that wait in the queues come first."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="front-door", daemon=True)
            self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread is not None

    def stop(self) -> None:
        """End the thread; unread datagrams stay in the sockets' queues."""
        if self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            self._thread = None
        self._close()

    def tally(self) -> Tally:
        return Tally(**self._counts, overflow=self._overflow() - self._overflow_before)

    def fill(self) -> dict[str, int]:
        """Numbers of addresses with unsearched initiations, and of organizations with found ones."""
        return {"unsearched": self._unsearched.waiting, "found": self._found.waiting}

    def _overflow(self) -> int:
        return sum(map(overflowed, (*self._sockets.public, *self._sockets.known)))

    def _close(self) -> None:
        for each in self._raw.values():
            each.close()
        self._raw.clear()
        self._known_sources.close()
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    def _run(self) -> None:
        while True:
            try:
                if self._serve_once():
                    return
            except Exception:
                # Whatever a stranger sent must not close the door for everybody.
                log.exception("an initiation could not be handled")
                self._counts["unreadable"] += 1

    def _serve_once(self) -> bool:
        """Serve all queues once; return True when the thread must stop."""
        poll = select.poll()
        for each in (*self._sockets.known, *self._sockets.public):
            poll.register(each, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._pause_ms())}
        if self._wake in ready:
            return True
        for each in self._sockets.known:
            if each.fileno() in ready:
                self._receive(each, self._deliver_known)
        for each in self._sockets.public:
            if each.fileno() in ready:
                self._receive(each, self._enqueue_unsearched)
        self._search()
        self._forward_found()
        return False

    def _pause_ms(self) -> float | None:
        """Time until there is more to do than to receive; None: no limit."""
        waits = []
        if len(self._unsearched):
            waits.append(self._budget.wait())
        if len(self._found):
            waits.append(self._pace.wait())
        return min(waits) * 1000 if waits else None

    def _receive(self, sock: socket.socket, handle: Callable[[Arrival], None]) -> None:
        for _ in range(_BATCH):
            arrival = receive(sock)
            if arrival is None:
                return
            if is_initiation(arrival.payload):
                handle(arrival)
            else:
                self._counts["unreadable"] += 1

    def _deliver_known(self, arrival: Arrival) -> None:
        port = self._known_sources.link_of(arrival)
        entry = None if port is None else self._directory.at(port, arrival.payload)
        if entry is None:
            self._enqueue_unsearched(arrival)
        else:
            self._enqueue_found(arrival, entry, is_known=True)

    def _enqueue_unsearched(self, arrival: Arrival) -> None:
        if not self._unsearched.put(sender_of(arrival), arrival):
            self._counts["crowded"] += 1

    def _search(self) -> None:
        until = time.monotonic() + _TURN_S
        while not self._budget.wait() and time.monotonic() < until:
            arrival = self._unsearched.take()
            if arrival is None:
                return
            with self._budget.spending():
                entry = self._directory.find(arrival.payload)
            if entry is None:
                self._counts["unknown_key"] += 1
            else:
                self._enqueue_found(arrival, entry, is_known=False)

    def _enqueue_found(self, arrival: Arrival, entry: Admitted, is_known: bool) -> None:
        item = arrival, entry, is_known
        if not (entry.share.take(is_known) and self._found.put(entry.organization, item)):
            self._counts["link_share"] += 1
            self._log_share_used_up(entry.organization)
        self._forward_found()

    def _log_share_used_up(self, organization: str) -> None:
        now = time.monotonic()
        if now - self._logged.get(organization, -_LOG_EVERY_S) >= _LOG_EVERY_S:
            self._logged = {name: at for name, at in self._logged.items() if now - at < _LOG_EVERY_S}
            self._logged[organization] = now
            log.warning("an organization asks for more handshakes than its share", organization=organization)

    def _forward_found(self) -> None:
        while len(self._found) and self._pace.take():
            if (found := self._found.take()) is not None:
                self._forward(*found)

    def _forward(self, arrival: Arrival, entry: Admitted, is_known: bool) -> None:
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
            if not is_known:
                self._on_new_source(entry.organization)
