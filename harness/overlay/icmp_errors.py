"""ICMP errors about connections between machines: sent by the connections' endpoints and by others, and looked for.

Sources: RFC 792 (an error quotes the header and 64 bits of the packet that it is about), RFC 6633 (source quench).
"""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, cached_property

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Packet
from scapy.utils import checksum

from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, Rule
from harness.overlay.truth import CellKey, is_allowed
from harness.wire import raw
from harness.wire.witness import Marks, Witness
from reports import exhibits

KINDS = {
    "host unreachable": (3, 1),
    "port unreachable": (3, 3),
    "too long": (3, 4),
    "source quench": (4, 0),
    "redirect": (5, 1),
    "TTL exceeded": (11, 0),
    "bad header": (12, 0),
}
"""ICMP type and code by name."""

NEVER_DELIVERED = ("source quench", "redirect")
_QUOTED = 28
"""Bytes of the packet that an error is about: its header and 64 bits."""
_ECHO_REQUEST, _ECHO_REPLY = 8, 0
_AT_ONCE = 40
"""Errors that are sent in a row: no more than fit into a tunnel's smallest buffer."""
_NEXT_MTU = 1280


@dataclass(frozen=True)
class QuotedConnection:
    """A connection that ICMP errors are about.

    Attributes:
        cell: source, destination and protocol with port.
        own_port: port of the machine that opened it; the identifier of a ping.
    """

    cell: CellKey
    own_port: int

    def packet(self, *, of_reply: bool) -> Packet:
        """Returns a packet of this connection.

        Args:
            of_reply: a packet toward the machine that opened the connection.
        """
        source, destination = self.cell.source.address, self.cell.destination.address
        if of_reply:
            source, destination = destination, source
        service = self.cell.service
        if service.port is None:
            head: Packet = ICMP(type=_ECHO_REPLY if of_reply else _ECHO_REQUEST, id=self.own_port, seq=1)
        else:
            ports = (service.port, self.own_port) if of_reply else (self.own_port, service.port)
            head = {"tcp": TCP, "udp": UDP}[service.protocol](sport=ports[0], dport=ports[1])
        return IP(src=source, dst=destination) / head

    @cached_property
    def quotations(self) -> tuple[bytes, bytes]:
        """Beginnings of a packet and of a reply, as errors quote them."""
        there, back = (bytes(self.packet(of_reply=of_reply))[:_QUOTED] for of_reply in (False, True))
        return there, back


@dataclass(frozen=True)
class IcmpError:
    """An ICMP error about a connection.

    Attributes:
        sender: machine that sends it.
        receiver: machine that it is addressed to.
        of_reply: it quotes a packet toward the machine that opened the connection.
        kind: one of `KINDS`.
    """

    connection: QuotedConnection
    sender: Machine
    receiver: Machine
    of_reply: bool
    kind: str

    @property
    def is_from_endpoint(self) -> bool:
        """True if an endpoint of the connection sends it to the other, about a packet of the other."""
        cell = self.connection.cell
        ends = (cell.source, cell.destination) if self.of_reply else (cell.destination, cell.source)
        return (self.sender, self.receiver) == ends

    def is_delivered(self, default: str, rules: Iterable[Rule]) -> bool:
        """Returns the verdict of the policy's definition: that of the connection, if an endpoint sends the error."""
        return (
            self.is_from_endpoint
            and self.kind not in NEVER_DELIVERED
            and is_allowed(self.connection.cell, default, rules)
        )

    def packet(self, mark: bytes) -> bytes:
        """Returns the error as an IPv4 packet, with a mark behind the quotation.

        Only its parts are scapy's, each made once. The hub forgets a ping after ten seconds, in which all of a thousand
        errors have to be sent, and on a busy machine scapy takes milliseconds for each.
        """
        body = _icmp_header(self.kind, self.sender.address) + self.connection.quotations[self.of_reply] + mark
        body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
        return _ip_header(self.sender.address, self.receiver.address, len(body)) + body

    def __str__(self) -> str:
        about = f"{'a reply' if self.of_reply else 'a packet'} of {self.connection.cell}"
        return f"{self.sender.name} to {self.receiver.name}: {self.kind}, about {about}"


@cache
def _ip_header(source: str, destination: str, body: int) -> bytes:
    return bytes(IP(src=source, dst=destination, proto=socket.IPPROTO_ICMP, len=20 + body))


@cache
def _icmp_header(name: str, gateway: str) -> bytes:
    """Header of an error with 0 for its checksum."""
    kind, code = KINDS[name]
    header = ICMP(type=kind, code=code, chksum=0)
    if name == "too long":
        header.nexthopmtu = _NEXT_MTU
    elif name == "redirect":
        header.gw = gateway
    return bytes(header)


def about(connections: Iterable[QuotedConnection], machines: Sequence[Machine]) -> Iterator[IcmpError]:
    """Yields every error about these connections, from every machine to every other."""
    for connection in connections:
        for sender in machines:
            for receiver in machines:
                for kind in KINDS if sender is not receiver else ():
                    yield IcmpError(connection, sender, receiver, False, kind)
                    yield IcmpError(connection, sender, receiver, True, kind)


def delivered(mesh: Mesh, tried: Sequence[IcmpError]) -> list[IcmpError]:
    """Sends errors and returns those that came out of their receivers' tunnels."""
    machines = {error.receiver for error in tried}
    marks = Marks()
    with ExitStack() as stack:
        at = {each: stack.enter_context(Witness(each.host, each.tunnel.interface)) for each in machines}
        by_sender: defaultdict[Machine, list[bytes]] = defaultdict(list)
        for number, error in enumerate(tried):
            by_sender[error.sender].append(error.packet(marks.mark(number)))
        for sender, packets in by_sender.items():
            for first in range(0, len(packets), _AT_ONCE):
                raw.send(sender.host, sender.tunnel.interface, packets[first : first + _AT_ONCE])
                for machine in (sender, *machines):
                    machine.fence()
        mesh.fence(*machines)
        seen = {machine: witness.marks(marks) for machine, witness in at.items()}
    return [error for number, error in enumerate(tried) if number in seen[error.receiver]]


def check(mesh: Mesh, tried: Sequence[IcmpError]) -> int:
    """Sends errors under the mesh's policy, compares them with the policy's definition, and records a table.

    Returns:
        Number of errors that had to be delivered.

    Raises:
        Refuted: an error was delivered that must not be, or one is missing.
    """
    wanted, arrived = _wanted(mesh, tried), set(delivered(mesh, tried))
    mesh.record.table(mesh.describe_policy(mesh.default, mesh.rules), _table(tried, wanted, arrived))
    _compare(mesh, tried, wanted, arrived)
    return len(wanted)


def judge(mesh: Mesh, tried: Sequence[IcmpError]) -> None:
    """Sends errors under the mesh's policy, and compares them with the policy's definition.

    Raises:
        Refuted: an error was delivered that must not be, or one is missing.
    """
    _compare(mesh, tried, _wanted(mesh, tried), set(delivered(mesh, tried)))


def _wanted(mesh: Mesh, tried: Sequence[IcmpError]) -> set[IcmpError]:
    return {error for error in tried if error.is_delivered(mesh.default, mesh.rules)}


def _compare(mesh: Mesh, tried: Sequence[IcmpError], wanted: set[IcmpError], arrived: set[IcmpError]) -> None:
    wrong = [error for error in tried if error in arrived - wanted]
    mesh.record.none_of(
        "forbidden ICMP errors",
        wrong,
        "forbidden ICMP errors were delivered",
        of=sum(error not in wanted for error in tried) or None,
    )
    missing = [error for error in tried if error in wanted - arrived]
    if missing:
        raise Refuted(f"{len(missing)} ICMP errors of allowed connections were not delivered, for example {missing[0]}")


def _table(
    tried: Sequence[IcmpError], wanted: set[IcmpError], arrived: set[IcmpError]
) -> dict[tuple[str, str, str], exhibits.Cell]:
    cells: dict[tuple[str, str, str], list[IcmpError]] = {}
    for error in tried:
        origin = "its own" if error.is_from_endpoint else "another's"
        cells.setdefault((error.sender.name, error.receiver.name, f"{error.kind}, {origin}"), []).append(error)
    return {
        key: exhibits.Cell(any(each in wanted for each in errors), len(errors), sum(each in arrived for each in errors))
        for key, errors in cells.items()
    }
