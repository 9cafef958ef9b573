"""Probes of a truth table: packets that open connections, the packets that answer them, and the choice of probes.

The packets are made by hand: scapy takes 1 ms for each, `struct` 4 µs, and a table has hundreds.

Sources: RFC 791, RFC 768, RFC 9293, RFC 792; numbers of protocols: https://www.iana.org/assignments/protocol-numbers.
"""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, permutations, product

from scapy.utils import checksum

from harness.overlay.machine import Machine
from harness.overlay.mesh import Rule
from harness.overlay.truth import ECHO_REQUEST, CellKey, PortProtocol, borders, names

_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_UDP = struct.Struct("!HHHH")
_ICMP = struct.Struct("!BBHHH")
_VERSION_AND_WORDS, _TTL = 0x45, 64
_WORDS_OF_TCP, _SYN, _WINDOW = 5 << 4, 0x02, 64240
_ECHO_REPLY = 0
_LAST_BYTE = 0xFF
_ICMP_NUMBER, _TCP_NUMBER, _UDP_NUMBER = 1, 6, 17
_TRACKED_BY_HEADER = frozenset({"33", "58", "132", "136"})
"""DCCP, ICMPv6, SCTP and UDP-Lite, whose headers Linux looks at. It takes a bad one for a packet of no connection."""
_OTHERS = tuple(
    PortProtocol(str(number))
    for number in range(_LAST_BYTE + 1)
    if number not in {_ICMP_NUMBER, _TCP_NUMBER, _UDP_NUMBER}
)
_KINDS = tuple(PortProtocol("icmp", kind=kind) for kind in range(_LAST_BYTE + 1) if kind != ECHO_REQUEST)
_LOW_PORTS, _HIGH_PORTS = range(1, 1024), range(20000, 60000)
_MOST_PORTS = 4096
MOST_BORDERS = 150
"""Most probes of the ports at which rules begin and end, in one table."""
_PAIRS_OF_A_RULE = 2
_TRIES = 2048


@dataclass(frozen=True)
class Probe:
    """A packet that opens a connection if it is allowed.

    Attributes:
        cell: source, destination, and protocol with port.
        own: source port; the identifier of ICMP; 0 for other protocols.
        is_border: True if the port begins or ends a rule's ports, or is beside one that does.
    """

    cell: CellKey
    own: int = 0
    is_border: bool = False

    @property
    def is_sound(self) -> bool:
        """False if the hub may drop it for its contents, even if it is allowed."""
        return self.cell.service.protocol not in _TRACKED_BY_HEADER

    @property
    def has_answer(self) -> bool:
        """True if an answer of the destination is tried, too: to TCP, UDP and pings."""
        return self.cell.service.kind is None and not self.cell.service.protocol.isdecimal()

    def packet(self, mark: bytes) -> bytes:
        """Returns the IPv4 packet with a mark in it."""
        source, destination, service = self.cell.source.address, self.cell.destination.address, self.cell.service
        if service.protocol == "tcp":
            assert service.port is not None
            return _ip(_TCP_NUMBER, source, destination, _segment(source, destination, self.own, service.port, mark))
        if service.protocol == "udp":
            assert service.port is not None
            return _ip(_UDP_NUMBER, source, destination, _datagram(self.own, service.port, mark))
        if service.protocol == "icmp":
            kind = ECHO_REQUEST if service.kind is None else service.kind
            return _ip(_ICMP_NUMBER, source, destination, _message(kind, self.own, mark))
        return _ip(int(service.protocol), source, destination, _bare(mark))

    def answer(self, mark: bytes) -> bytes | None:
        """Returns the destination's answer with a mark in it; None for TCP, which the destination's kernel answers."""
        source, destination, service = self.cell.destination.address, self.cell.source.address, self.cell.service
        if service.protocol == "tcp":
            return None
        if service.protocol == "udp":
            assert service.port is not None
            return _ip(_UDP_NUMBER, source, destination, _datagram(service.port, self.own, mark))
        return _ip(_ICMP_NUMBER, source, destination, _message(_ECHO_REPLY, self.own, mark))

    @property
    def segment_ends(self) -> bytes:
        """Addresses and ports of a TCP segment that answers, as they stand in a packet."""
        source, destination = self.cell.destination.address, self.cell.source.address
        ports = struct.pack("!HH", self.cell.service.port, self.own)
        return socket.inet_aton(source) + socket.inet_aton(destination) + ports

    @property
    def column(self) -> str:
        """Column of a table in which it is shown, together with probes of the same kind."""
        service = self.cell.service
        if service.kind is not None:
            return "icmp, kinds that ask" if service.opens else "icmp, other kinds"
        if service.protocol.isdecimal():
            return "other protocols"
        return f"{service.protocol} at borders" if self.is_border else str(service)

    def __str__(self) -> str:
        return f"{self.cell} from {self.own}" if self.cell.service.port is not None else str(self.cell)


class Chooser:
    """Chooses the probes of one truth table after the other.

    No probe looks like an answer to an earlier one, which the hub may still remember.

    Args:
        chance: makes the choices.
        parts: number of tables that have all other protocols and types of ICMP between them.
    """

    def __init__(self, chance: random.Random, parts: int = 1) -> None:
        self._chance = chance
        self._parts = cycle([(_OTHERS[at::parts], _KINDS[at::parts]) for at in range(parts)])
        self._low = _endless(_LOW_PORTS, chance)
        self._high = _endless(_HIGH_PORTS, chance)
        self._tried: set[tuple[str, str, str, int, int]] = set()

    def probes(
        self, machines: Sequence[Machine], services: Sequence[PortProtocol], rules: Sequence[Rule]
    ) -> list[Probe]:
        """Chooses the probes of a table.

        Every pair is asked for every service, by those with ports from a low and from a high port. The ports at which
        rules begin and end are asked for by TCP and UDP between pairs that the rule names. Other protocols and types of
        ICMP are there once.

        Args:
            machines: sources and destinations.
            services: protocols and ports between all pairs.
            rules: rules of the policy that is measured.
        """
        pairs = list(permutations(machines, 2))
        if not pairs:
            return []
        others, kinds = next(self._parts)
        near = list(dict.fromkeys(self._at_borders(pairs, rules)))
        cells = [CellKey(*pair, service) for pair in pairs for service in services]
        return [
            *(self._probe(cell, self._high) for cell in cells),
            *(self._probe(cell, self._low) for cell in cells if cell.service.port is not None),
            *(
                self._probe(cell, self._chance.choice((self._low, self._high)), is_border=True)
                for cell in self._chance.sample(near, min(len(near), MOST_BORDERS))
            ),
            *(self._probe(CellKey(*self._chance.choice(pairs), kind), self._high) for kind in kinds),
            *(Probe(CellKey(*self._one_way(pairs, each), each)) for each in others),
        ]

    def _at_borders(self, pairs: Sequence[tuple[Machine, Machine]], rules: Sequence[Rule]) -> Iterator[CellKey]:
        for rule in rules:
            named = [pair for pair in pairs if names(rule["source"], pair[0]) and names(rule["destination"], pair[1])]
            some = self._chance.sample(named, min(len(named), _PAIRS_OF_A_RULE))
            for port, protocol, pair in product(borders(rule), ("tcp", "udp"), some):
                yield CellKey(*pair, PortProtocol(protocol, port))

    def _probe(self, cell: CellKey, numbers: Iterator[int], *, is_border: bool = False) -> Probe:
        source, destination, protocol = cell.source.address, cell.destination.address, cell.service.protocol
        port = cell.service.port or 0
        own = next(
            each for each in islice(numbers, _TRIES) if (destination, source, protocol, port, each) not in self._tried
        )
        self._tried.add((source, destination, protocol, own, port))
        return Probe(cell, own, is_border)

    def _one_way(self, pairs: Sequence[tuple[Machine, Machine]], service: PortProtocol) -> tuple[Machine, Machine]:
        """Draws a pair, always in the same direction for a protocol without ports, or it would be an answer."""
        source, destination = self._chance.choice(pairs)
        if (destination.address, source.address, service.protocol, 0, 0) in self._tried:
            source, destination = destination, source
        self._tried.add((source.address, destination.address, service.protocol, 0, 0))
        return source, destination


def _endless(numbers: range, chance: random.Random) -> Iterator[int]:
    return cycle(chance.sample(numbers, min(len(numbers), _MOST_PORTS)))


def _ip(protocol: int, source: str, destination: str, body: bytes) -> bytes:
    """Returns a packet whose header's checksum is left to the kernel, as raw(7) says."""
    length = _IP.size + len(body)
    ends = socket.inet_aton(source), socket.inet_aton(destination)
    return _IP.pack(_VERSION_AND_WORDS, 0, length, 0, 0, _TTL, protocol, 0, *ends) + body


def _segment(source: str, destination: str, own: int, port: int, mark: bytes) -> bytes:
    """Returns a TCP segment that opens a connection."""
    pseudo = (
        socket.inet_aton(source)
        + socket.inet_aton(destination)
        + struct.pack("!HH", _TCP_NUMBER, _TCP.size + len(mark))
    )
    blank = _TCP.pack(own, port, 0, 0, _WORDS_OF_TCP, _SYN, _WINDOW, 0, 0)
    return _TCP.pack(own, port, 0, 0, _WORDS_OF_TCP, _SYN, _WINDOW, checksum(pseudo + blank + mark), 0) + mark


def _datagram(own: int, port: int, mark: bytes) -> bytes:
    """Returns a UDP datagram without a checksum, as IPv4 permits."""
    return _UDP.pack(own, port, _UDP.size + len(mark), 0) + mark


def _message(kind: int, identifier: int, mark: bytes) -> bytes:
    """Returns an ICMP message of any type."""
    blank = _ICMP.pack(kind, 0, 0, identifier, 1)
    return _ICMP.pack(kind, 0, checksum(blank + mark), identifier, 1) + mark


def _bare(mark: bytes) -> bytes:
    """Returns the body of another protocol; zeros in front are a valid header of GRE."""
    return bytes(_UDP.size) + mark
