"""Facade of the front door for the hub's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address

import structlog

from appliance.hub.front_door import demultiplexer, table
from appliance.hub.front_door.demultiplexer import Demultiplexer, Tally
from appliance.hub.front_door.directory import Admitted, Directory
from appliance.hub.front_door.errors import DoorError
from appliance.hub.front_door.known_sources import KnownSources
from appliance.hub.front_door.last_endpoints import LastEndpoint
from appliance.hub.front_door.memory import MEMORIES
from appliance.hub.front_door.outcomes import BOUNDS, DROPS, TOLD
from appliance.hub.front_door.rules import Layout
from appliance.hub.front_door.sockets import DoorSockets
from appliance.hub.front_door.table import DoorRepair, DoorTable
from appliance.hub.names import Names

log = structlog.get_logger()

_MEASURED_S = 5.0
_REST = 50


@dataclass(frozen=True)
class DoorCounters:
    """Numbers of packets to the public port by outcome, without packets of sessions.

    The first seven count since this process settled, the others since the kernel's table was created.

    Attributes:
        demultiplexed, unknown_key, crowded, link_share, overflow, unreadable, refused: initiations by outcome
            (`demultiplexer.Tally`).
        malformed: packets that are no WireGuard message.
        sessionless: messages of no session of the hub.
        dismissed: messages of a session with a removed organization.
        closed: packets to an internal port, from outside, or from a program of this host that is not the hub's process.
        stranger_pace: initiations of one unknown address (IPv6: of a network of 64, 56 or 48 bits), or of this host's
            programs, above its pace.
        strangers_pace: initiations of all unknown sources above their pace.
        regular_pace: initiations of one known source above its pace.
        offered_of: initiations of a link above its pace.
        taken: answers and initiations of a link with an index that was given out already.
        unasked: answers of a link to what was not handed to it, or was answered already.
        regulars_of: initiations of a link's known sources above its pace: they were treated as strangers'.
        regulars_pace: initiations of all known sources above their pace: they were treated as strangers'.
        begun_of: sessions begun by the hub above a link's pace: they end after seconds.
        known_of: answers above a link's pace: they neither made a source known nor kept one known.
    """

    demultiplexed: int
    unknown_key: int
    crowded: int
    link_share: int
    overflow: int
    unreadable: int
    refused: int
    malformed: int
    sessionless: int
    dismissed: int
    closed: int
    stranger_pace: int
    strangers_pace: int
    regular_pace: int
    offered_of: int
    taken: int
    unasked: int
    regulars_of: int
    regulars_pace: int
    begun_of: int
    known_of: int


@dataclass(frozen=True)
class Level:
    """Fill level of a memory.

    Attributes:
        entries: number of elements.
        room: largest number of elements.
    """

    entries: int
    room: int

    @property
    def is_high(self) -> bool:
        """Tell whether it is more than half full."""
        return 2 * self.entries > self.room


class FrontDoor:
    """One public UDP port for all organizations, in the network namespace of the thread that opens it.

    The kernel alone handles sessions: they go on while this process is down, and the next one adopts them. This
    process handles initiations. Call `open`, then `admit` for every organization, then `settle`, so that no early
    handshake is refused. Any thread may call any method after `open`.

    Args:
        names: names of this instance's kernel objects.
        port: public UDP port.
        sockets: bound sockets whose owner holds them across restarts of this process, so that datagrams wait
            meanwhile; the owner closes them. None: the door binds its own.
        address: its only address; None: all of the host's.
    """

    def __init__(
        self,
        names: Names,
        port: int,
        sockets: DoorSockets | None = None,
        address: IPv4Address | IPv6Address | None = None,
    ) -> None:
        self._name = names.door
        self._port = port
        self._address = address
        self._external_sockets = sockets
        self._lock = threading.Lock()
        self._directory = Directory()
        self._sockets: DoorSockets | None = None
        self._kernel: DoorTable | None = None
        self._demultiplexer: Demultiplexer | None = None
        self._levels: dict[str, Level] = {}
        self._measure_at = 0.0
        self._reached: dict[str, int] = {}

    def open(self, on_new_source: Callable[[str], None] = lambda _organization: None) -> DoorRepair:
        """Open the door, or adopt an open one without losing packets of sessions.

        Args:
            on_new_source: called with an organization's id when a source unknown to it sent an initiation; must be
                quick.

        Returns:
            The repair that the kernel's table needed.

        Raises:
            PortTaken: another program has the port.
            DoorError: the host lacks a feature or refuses access to it.
            RulesetError: the kernel refused the rules.
        """
        self._directory = Directory()
        self._levels, self._measure_at = {}, 0.0
        try:
            self._sockets = self._external_sockets or DoorSockets.open(
                self._port, table.known_port(self._name), self._address
            )
            if self._sockets.public_port != self._port:
                raise DoorError(f"the front door was handed port {self._sockets.public_port}, not {self._port}")
            self._kernel = DoorTable(Layout(self._name, self._port, self._sockets.known_port, self._address))
            repair = self._kernel.repair(())
            self._demultiplexer = Demultiplexer(self._sockets, self._directory, KnownSources(self._name), on_new_source)
        except BaseException:
            self.close()
            raise
        log.info("the front door is open", port=self._port, table=repair.value)
        return repair

    def admit(self, organization: str, hub_public_key: str, inner_port: int, machines: int = 0) -> None:
        """Deliver an organization's handshakes and sessions to its link; idempotent.

        Args:
            organization: its id.
            hub_public_key: public key of its link, base64.
            inner_port: UDP port of its link; closed to the outside from now on.
            machines: number of its machines, which decides its share of handshakes.

        Raises:
            RulesetError: the kernel refused; nothing has changed.
        """
        with self._lock:
            before = self._directory.entries.get(organization)
            if before is not None and (before.hub_public_key, before.inner_port) == (hub_public_key, inner_port):
                before.share.fit(machines)
                return
            moved = before is not None and before.inner_port != inner_port
            left = {before.inner_port} if before is not None and moved else set()
            self._table.change(admit={inner_port}, dismiss=left)
            self._directory.admit(organization, hub_public_key, inner_port, machines)

    def dismiss(self, organization: str) -> None:
        """Drop all packets for an organization from now on, if it is admitted.

        Raises:
            RulesetError: the kernel refused.
        """
        with self._lock:
            entry = self._directory.entries.get(organization)
            if entry is None:
                return
            self._table.change(dismiss={entry.inner_port})
            self._directory.dismiss(organization)

    @property
    def port(self) -> int:
        return self._port

    def admitted(self) -> tuple[Admitted, ...]:
        """Organizations whose packets are delivered."""
        return tuple(self._directory.entries.values())

    def settle(self) -> None:
        """Start handshakes, with the waiting ones first, after every organization was admitted.

        Organizations that an earlier process admitted, and this one did not, are dismissed.

        Raises:
            RulesetError: the kernel refused.
        """
        with self._lock:
            self._dismiss_others()
            if self._demultiplexer is not None:
                self._demultiplexer.start()

    def learn(self, flows: Iterable[LastEndpoint]) -> None:
        """Load the last endpoints of all machines in one transaction; it replaces earlier ones.

        For as long as a session can last, its packets are then found by their source where the kernel does not know
        its index. The sources become known sources. To be called after `open` or `restore` returned
        `DoorRepair.AFRESH`.

        Raises:
            RulesetError: the kernel refused.
        """
        with self._lock:
            self._table.resume(flows)

    def restore(self) -> DoorRepair:
        """Repair the kernel's table; sessions that it still has are kept.

        Raises:
            RulesetError: the kernel refused.
        """
        with self._lock:
            repair = self._table.repair(self._ports())
            if repair is not DoorRepair.AFRESH:
                missing = self._ports() - self._table.admitted()
                if missing:
                    self._table.change(admit=missing)
                    repair = DoorRepair.IN_PLACE
                if self._demultiplexer is not None and self._demultiplexer.is_running:
                    self._dismiss_others()
        if repair is not DoorRepair.NONE:
            log.warning("the front door was damaged and is restored", table=repair.value)
        return repair

    def counters(self) -> DoorCounters:
        names = (*DROPS, *BOUNDS)
        kernels = dict.fromkeys(names, 0) | self._table.counters()
        tally = self._demultiplexer.tally() if self._demultiplexer is not None else Tally()
        return DoorCounters(**asdict(tally), **{name: kernels[name] for name in names})

    def levels(self) -> dict[str, Level]:
        """Fill level of each memory, cached for five seconds or fifty times the time of a count."""
        if time.monotonic() < self._measure_at:
            return self._levels
        began = time.monotonic()
        rooms = {each.name: each.size for each in MEMORIES} | demultiplexer.ROOMS
        fill = self._table.fill() | (self._demultiplexer.fill() if self._demultiplexer is not None else {})
        before, self._levels = self._levels, {name: Level(count, rooms[name]) for name, count in fill.items()}
        for name, level in self._levels.items():
            if level.is_high and not (name in before and before[name].is_high):
                log.warning("a memory of the front door is filling", memory=name, **asdict(level))
        self._log_reached_bounds()
        now = time.monotonic()
        self._measure_at = now + max(_MEASURED_S, _REST * (now - began))
        return self._levels

    def _log_reached_bounds(self) -> None:
        counted = self._table.counters()
        for name in TOLD:
            if counted.get(name, 0) > self._reached.get(name, 0):
                log.warning(
                    "links or known sources send what they may not, or too much", bound=name, packets=counted[name]
                )
        self._reached = counted

    def close(self) -> None:
        """Release everything but the kernel's table, so that sessions go on; idempotent."""
        if self._demultiplexer is not None:
            self._demultiplexer.stop()
            self._demultiplexer = None
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None
        if self._sockets is not None and self._external_sockets is None:
            self._sockets.close()
        self._sockets = None

    def remove(self) -> None:
        """Close the door, dismiss all organizations, and remove its table from the host.

        Raises:
            RulesetError: the kernel refused.
        """
        self.close()
        with self._lock:
            # An entry that stayed would be taken for one of the kernel's.
            self._directory = Directory()
        table.remove(self._name)

    @property
    def _table(self) -> DoorTable:
        if self._kernel is None:
            raise DoorError("the front door is closed")
        return self._kernel

    def _ports(self) -> set[int]:
        return {entry.inner_port for entry in self._directory.entries.values()}

    def _dismiss_others(self) -> None:
        others = self._table.admitted() - self._ports()
        if others:
            self._table.change(dismiss=others)
