"""The front door as the hub's process sees it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import structlog

from appliance.hub.front_door import demultiplexer, table
from appliance.hub.front_door.acquaintances import Acquaintances
from appliance.hub.front_door.demultiplexer import Demultiplexer, Tally
from appliance.hub.front_door.directory import Admitted, Directory
from appliance.hub.front_door.errors import DoorError
from appliance.hub.front_door.flows import Flow
from appliance.hub.front_door.memory import MEMORIES
from appliance.hub.front_door.rules import BOUNDS, DROPS, Layout
from appliance.hub.front_door.sockets import DoorSockets
from appliance.hub.front_door.table import DoorRepair, Table
from appliance.hub.names import Names

log = structlog.get_logger()

_MEASURED_S = 5.0
_REST = 50


@dataclass(frozen=True)
class DoorCounters:
    """What became of packets to the public port that are not simply a session's: numbers of packets.

    The first seven count since this process settled, the others since the kernel's table was made.

    Attributes:
        demultiplexed: initiations that were handed to an organization's link.
        unknown_key: initiations that no organization's key fits.
        crowded: initiations that found too many waiting that strangers had sent, of the same address or of all.
        link_share: initiations beyond their organization's turns.
        overflow: initiations that found the queue full.
        unreadable: what reached the demultiplexer and is no initiation: the table is or was damaged.
        refused: initiations that the host did not let us hand on.
        malformed: no WireGuard message.
        sessionless: messages of no session that the hub has.
        dismissed: messages of a session with an organization that is gone.
        closed: packets from outside to a port that is none of the public's business.
        stranger_pace: initiations of one unknown address (IPv6: of a network of 64, 56 or 48 bits) above its pace.
        strangers_pace: initiations of all unknown sources above their pace.
        regular_pace: initiations of one known source above its pace.
        regulars_of: initiations of a link's known sources above its pace: they were treated as strangers'.
        regulars_pace: initiations of all known sources above their pace: they were treated as strangers'.
        begun_of: sessions that the hub began, above a link's pace: they end after seconds.
        known_of: answers above a link's pace: they made no source known, and kept none known.
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
    regulars_of: int
    regulars_pace: int
    begun_of: int
    known_of: int


@dataclass(frozen=True)
class Level:
    """How full something is.

    Attributes:
        entries: how many it has.
        room: how many it can have.
    """

    entries: int
    room: int

    @property
    def is_high(self) -> bool:
        """Whether the operator should know: more than half."""
        return 2 * self.entries > self.room


class FrontDoor:
    """One public UDP port for all organizations, in the network namespace of the thread that opens it.

    Sessions are the kernel's business alone: they go on while this process is dead, and the next one adopts them.
    Initiations are this process's, from when it has settled: `open`, then `admit` for every organization, then
    `settle`, so that no handshake is turned away for coming early. Any thread may call any method after `open`.

    Args:
        names: what this instance's things are called.
        port: the public one.
        sockets: already bound, by someone who holds them across restarts of this process, so that what arrives
            meanwhile waits; they stay that one's to close. None: the door binds its own.
    """

    def __init__(self, names: Names, port: int, sockets: DoorSockets | None = None) -> None:
        self._name = names.door
        self._port = port
        self._given = sockets
        self._lock = threading.Lock()
        self._directory = Directory()
        self._sockets: DoorSockets | None = None
        self._kernel: Table | None = None
        self._demultiplexer: Demultiplexer | None = None
        self._levels: dict[str, Level] = {}
        self._measure_at = 0.0
        self._reached: dict[str, int] = {}

    def open(self, met: Callable[[str], None] = lambda _organization: None) -> DoorRepair:
        """Opens the door, or adopts one that is open: then no packet of a session is lost.

        Args:
            met: is told of an organization when somebody it was not known by shakes hands; must not take long.

        Returns:
            What had to be done to the table in the kernel.

        Raises:
            PortTaken: another program has the port.
            DoorError: the host lacks something or doesn't let us.
            RulesetError: the kernel refused the rules.
        """
        self._directory = Directory()
        self._levels, self._measure_at = {}, 0.0
        try:
            self._sockets = self._given or DoorSockets.open(self._port, table.known_port(self._name))
            if self._sockets.public_port != self._port:
                raise DoorError(f"the front door was handed port {self._sockets.public_port}, not {self._port}")
            self._kernel = Table(Layout(self._name, self._port, self._sockets.known_port))
            repair = self._kernel.repair(())
            self._demultiplexer = Demultiplexer(self._sockets, self._directory, Acquaintances(self._name), met)
        except BaseException:
            self.close()
            raise
        log.info("the front door is open", port=self._port, table=repair.value)
        return repair

    def admit(self, organization: str, hub_public_key: str, inner_port: int, machines: int = 0) -> None:
        """Leads an organization's handshakes and sessions to its link; the same again changes nothing.

        Args:
            organization: its id.
            hub_public_key: of its link, base64.
            inner_port: UDP port of its link, which is closed to the outside from now on.
            machines: how many it has, by which it has its share of handshakes.

        Raises:
            RulesetError: the kernel refused it; nothing has changed.
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
        """Drops whatever is meant for an organization from when this returns. None there is fine.

        Raises:
            RulesetError: the kernel refused it.
        """
        with self._lock:
            entry = self._directory.entries.get(organization)
            if entry is None:
                return
            self._table.change(dismiss={entry.inner_port})
            self._directory.dismiss(organization)

    @property
    def port(self) -> int:
        """The public one."""
        return self._port

    def admitted(self) -> tuple[Admitted, ...]:
        """The organizations that are led to their links."""
        return tuple(self._directory.entries.values())

    def settle(self) -> None:
        """Every organization has been admitted: whoever else the process before admitted is dismissed, and
        handshakes begin, with those that have been waiting.

        Raises:
            RulesetError: the kernel refused it.
        """
        with self._lock:
            self._dismiss_others()
            if self._demultiplexer is not None:
                self._demultiplexer.start()

    def learn(self, flows: Iterable[Flow]) -> None:
        """Tells where WireGuard last heard from its machines, all of them, in one transaction.

        For as long as a session can last, its packets are then found by their source where the kernel does not know
        its index; what was told before is forgotten. The sources count as known. To be called after `open` or
        `restore` returned `DoorRepair.AFRESH`.

        Raises:
            RulesetError: the kernel refused it.
        """
        with self._lock:
            self._table.resume(flows)

    def is_whole(self) -> bool:
        """Whether the kernel's part is as it should be: milliseconds, whatever it knows of sessions."""
        with self._lock:
            return self._table.is_whole() and self._ports() <= self._table.admitted()

    def restore(self) -> DoorRepair:
        """Puts the kernel's part right, keeping what it knows of sessions where that is still there.

        Raises:
            RulesetError: the kernel refused it.
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
        """What became of packets so far."""
        names = (*DROPS, *BOUNDS)
        kernels = dict.fromkeys(names, 0) | self._table.counters()
        tally = self._demultiplexer.tally() if self._demultiplexer is not None else Tally()
        return DoorCounters(**asdict(tally), **{name: kernels[name] for name in names})

    def levels(self) -> dict[str, Level]:
        """How full each memory is, as it was a few seconds ago, or fifty times as long as it takes to count."""
        if time.monotonic() < self._measure_at:
            return self._levels
        began = time.monotonic()
        rooms = {each.name: each.size for each in MEMORIES} | demultiplexer.ROOMS
        fill = self._table.fill() | (self._demultiplexer.fill() if self._demultiplexer is not None else {})
        before, self._levels = self._levels, {name: Level(count, rooms[name]) for name, count in fill.items()}
        for name, level in self._levels.items():
            if level.is_high and not (name in before and before[name].is_high):
                log.warning("a memory of the front door is filling", memory=name, **asdict(level))
        self._tell_of_bounds()
        now = time.monotonic()
        self._measure_at = now + max(_MEASURED_S, _REST * (now - began))
        return self._levels

    def _tell_of_bounds(self) -> None:
        counted = self._table.counters()
        for name in BOUNDS:
            if counted.get(name, 0) > self._reached.get(name, 0):
                log.warning("a bound of one link or of known sources was reached", bound=name, packets=counted[name])
        self._reached = counted

    def close(self) -> None:
        """Lets go of everything but the kernel's part, by which sessions go on. May be called twice."""
        if self._demultiplexer is not None:
            self._demultiplexer.stop()
            self._demultiplexer = None
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None
        if self._sockets is not None and self._given is None:
            self._sockets.close()
        self._sockets = None

    def remove(self) -> None:
        """Closes the door, and nothing of it is left on the host.

        Raises:
            RulesetError: the kernel refused it.
        """
        self.close()
        table.remove(self._name)

    @property
    def _table(self) -> Table:
        if self._kernel is None:
            raise DoorError("the front door is closed")
        return self._kernel

    def _ports(self) -> set[int]:
        return {entry.inner_port for entry in self._directory.entries.values()}

    def _dismiss_others(self) -> None:
        others = self._table.admitted() - self._ports()
        if others:
            self._table.change(dismiss=others)
