"""Truth tables: every pair of machines, protocol and port, measured and compared with a reference model.

The reference model is the harness's own reading of the policy's definition. It shares no code with the product.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from harness.judging import table
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.mesh import Machine, Mesh, Rule
from reports import exhibits

_DEADLINE = 2.0
_REQUEST = struct.Struct("!BBHHH")
_ECHO_REQUEST, _ECHO_REPLY = 8, 0


@dataclass(frozen=True)
class PortProtocol:
    """A protocol, with a port if the protocol has ports.

    Attributes:
        protocol: ``tcp``, ``udp`` or ``icmp``.
        port: destination port; None for icmp.
    """

    protocol: str
    port: int | None = None

    def __str__(self) -> str:
        return self.protocol if self.port is None else f"{self.protocol}/{self.port}"


@dataclass(frozen=True)
class CellKey:
    """Names one cell of a truth table: may ``source`` open this port of ``destination``?"""

    source: Machine
    destination: Machine
    service: PortProtocol

    def __str__(self) -> str:
        return f"{self.source.name}→{self.destination.name} {self.service}"


def is_allowed(cell: CellKey, default: str, rules: Iterable[Rule]) -> bool:
    """Returns the verdict of the policy's definition: deny rules win over allow rules, and those over the default.

    Args:
        cell: source, destination and port.
        default: ``allow`` or ``deny``.
        rules: rules as the API takes them.
    """
    actions = {rule["action"] for rule in rules if _applies_to(rule, cell)}
    if "deny" in actions:
        return False
    return "allow" in actions or default == "allow"


def _applies_to(rule: Rule, cell: CellKey) -> bool:
    return (
        _names(rule["source"], cell.source)
        and _names(rule["destination"], cell.destination)
        and rule.get("protocol", "any") in ("any", cell.service.protocol)
        and _has_port(rule.get("ports") or "all", cell.service.port)
    )


def _names(selector: str, machine: Machine) -> bool:
    if selector == "any" or selector == f"machine:{machine.id}":
        return True
    return selector.removeprefix("group:") in machine.groups if selector.startswith("group:") else False


def _has_port(ports: str, port: int | None) -> bool:
    if ports == "all":
        return True
    for part in ports.split(","):
        first, _, last = part.partition("-")
        if port is not None and int(first) <= port <= int(last or first):
            return True
    return False


class Prober:
    """Measures all cells of a table at once.

    The result is final without waiting for a timeout: after the probes every machine pings its hub three times. A
    tunnel keeps its packets in order in each direction, so once these pings are answered, all that the hub let through
    has arrived.

    Args:
        mesh: organization of the machines.
        machines: sources and destinations.
        services: protocols and ports that are probed.
    """

    def __init__(self, mesh: Mesh, machines: Sequence[Machine], services: Sequence[PortProtocol]) -> None:
        self._mesh = mesh
        self._machines = tuple(machines)
        self._services = tuple(services)
        self._stack = ExitStack()
        self._listeners: dict[tuple[str, PortProtocol], socket.socket] = {}

    def __enter__(self) -> Prober:
        for machine in self._machines:
            for service in self._services:
                if service.port is not None:
                    self._listeners[machine.id, service] = self._listen(machine, service)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def cells(self) -> list[CellKey]:
        """Returns the keys of all cells, in a fixed order."""
        return [
            CellKey(source, destination, service)
            for source in self._machines
            for destination in self._machines
            if source is not destination
            for service in self._services
        ]

    def measure(self, expected: dict[CellKey, bool]) -> dict[CellKey, bool]:
        """Sends a probe for each cell, and returns True for each cell whose probe arrived.

        A probe that is expected to arrive is given two more seconds, so that a slow lab is not taken for a denial. One
        that is not expected needs no waiting, because the fence has passed.

        Args:
            expected: verdict of the reference model by cell.

        Raises:
            Refuted: a machine can't ping its hub.
        """
        with ExitStack() as stack:
            senders = {cell: self._send(cell, stack) for cell in expected}
            self._mesh.fence(*self._machines)
            arrived = self._arrivals(senders)
            deadline = time.monotonic() + _DEADLINE
            while any(expected[cell] and cell not in arrived for cell in expected) and time.monotonic() < deadline:
                time.sleep(0.01)
                arrived |= self._arrivals(senders)
            self._drain()
        return {cell: cell in arrived for cell in expected}

    def _listen(self, machine: Machine, service: PortProtocol) -> socket.socket:
        kind = socket.SOCK_STREAM if service.protocol == "tcp" else socket.SOCK_DGRAM
        listener = self._stack.enter_context(machine.host.socket(socket.AF_INET, kind))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((machine.address, service.port))
        listener.setblocking(False)
        if service.protocol == "tcp":
            listener.listen(64)
        return listener

    def _send(self, cell: CellKey, stack: ExitStack) -> socket.socket:
        kinds = {"tcp": (socket.SOCK_STREAM, 0), "udp": (socket.SOCK_DGRAM, 0), "icmp": (socket.SOCK_RAW, 1)}
        kind, number = kinds[cell.service.protocol]
        sender = stack.enter_context(cell.source.host.socket(socket.AF_INET, kind, number))
        sender.setblocking(False)
        sender.bind((cell.source.address, 0))
        if cell.service.protocol == "tcp":
            sender.connect_ex((cell.destination.address, cell.service.port))
        elif cell.service.protocol == "udp":
            sender.sendto(b"probe", (cell.destination.address, cell.service.port))
        else:
            sender.sendto(_echo_request(), (cell.destination.address, 0))
        return sender

    def _arrivals(self, senders: dict[CellKey, socket.socket]) -> set[CellKey]:
        arrived = {cell for cell, sender in senders.items() if _sender_knows(cell, sender)}
        by_address = {machine.address: machine for machine in self._machines}
        for (machine_id, service), listener in self._listeners.items():
            if service.protocol != "udp":
                continue
            destination = next(machine for machine in self._machines if machine.id == machine_id)
            for address in _datagrams(listener):
                if address in by_address:
                    arrived.add(CellKey(by_address[address], destination, service))
        return arrived

    def _drain(self) -> None:
        for (_, service), listener in self._listeners.items():
            if service.protocol == "tcp":
                while select.select([listener], [], [], 0)[0]:
                    try:
                        listener.accept()[0].close()
                    except OSError:
                        break


def _sender_knows(cell: CellKey, sender: socket.socket) -> bool:
    """True if the sender itself knows that its probe arrived."""
    if cell.service.protocol == "tcp":
        return (
            bool(select.select([], [sender], [], 0)[1])
            and sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            and _is_connected(sender)
        )
    if cell.service.protocol == "icmp":
        while select.select([sender], [], [], 0)[0]:
            packet, (address, _) = sender.recvfrom(256)
            header = (packet[0] & 0x0F) * 4
            if address == cell.destination.address and packet[header] == _ECHO_REPLY:
                return True
    return False


def _is_connected(sender: socket.socket) -> bool:
    try:
        sender.getpeername()
    except OSError:
        return False
    return True


def _datagrams(listener: socket.socket) -> Iterable[str]:
    while True:
        try:
            _, (address, _) = listener.recvfrom(64)
        except BlockingIOError:
            return
        yield address


def _echo_request() -> bytes:
    checksum = ~((_ECHO_REQUEST << 8) + 1) & 0xFFFF
    return _REQUEST.pack(_ECHO_REQUEST, 0, checksum, 0, 1)


def check(mesh: Mesh, prober: Prober) -> int:
    """Measures the whole table under the mesh's policy and compares it with the reference model.

    Returns:
        Number of denied cells.

    Raises:
        Refuted: cells differ; the message lists them and shows the table.
        Inconclusive: the table is empty.
    """
    expected = {cell: is_allowed(cell, mesh.default, mesh.rules) for cell in prober.cells()}
    measured = prober.measure(expected)
    mesh.record.table(
        mesh.describe_policy(mesh.default, mesh.rules),
        {
            (cell.source.name, cell.destination.name, str(cell.service)): exhibits.Cell(allowed, 1, int(measured[cell]))
            for cell, allowed in expected.items()
        },
    )
    wrong = [
        f"{cell}: {'arrived, though denied' if measured[cell] else 'did not arrive, though allowed'}"
        for cell in expected
        if measured[cell] is not expected[cell]
    ]
    if wrong:
        listed = "; ".join(wrong[:8])
        raise Refuted(
            f"{len(wrong)} of {len(expected)} cells differ from the policy: {listed}\n{_shown(expected, measured)}"
        )
    if not expected:
        raise Inconclusive("the table is empty")
    return sum(not allowed for allowed in expected.values())


def _shown(expected: dict[CellKey, bool], measured: dict[CellKey, bool]) -> str:
    words = {True: "allowed", False: "denied"}
    return table.render(
        {
            (f"{cell.source.name}→{cell.destination.name}", str(cell.service)): words[allowed]
            if measured[cell] is allowed
            else f"{words[allowed].upper()}, {'ARRIVED' if measured[cell] else 'LOST'}"
            for cell, allowed in expected.items()
        }
    )
