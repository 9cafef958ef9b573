"""Sets of services: what one machine may open to another one.

A service is a port of TCP or UDP, ICMP, or any other protocol. No rule can name one of the other protocols alone, so
they are one service. Policies tell only few services apart, and a set is a number with a bit for each part that they
do, so that long lists of ports are joined and compared fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from appliance.model.policy import Protocol
from appliance.model.port_ranges import HIGHEST_PORT, PortRange


class ServiceProtocol(str, Enum):
    """Protocol of a service; ``ANY`` is every protocol, and ``OTHER`` those that no rule can name."""

    ANY = "any"
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    OTHER = "other"


@dataclass(frozen=True, order=True)
class ServiceRange:
    """Ports of a protocol; () means all of them."""

    protocol: ServiceProtocol
    ports: tuple[PortRange, ...] = ()


Used = tuple[Protocol, tuple[PortRange, ...]]
"""Services as a rule names them; () means all ports."""


class ServiceSpace:
    """The parts into which rules divide all services; a set of services has a bit for each.

    Args:
        used: the services that the rules name. Only these have a number.

    Attributes:
        size: number of parts.
        everything: the set of all services.
    """

    def __init__(self, used: Iterable[Used]) -> None:
        ends: dict[Protocol, set[int]] = {Protocol.TCP: {0}, Protocol.UDP: {0}}
        for protocol, ports in set(used):
            for each in ports:
                ends[protocol].update((each.first, each.last + 1))
        self._bits: dict[Protocol, dict[int, int]] = {}
        place = 0
        for protocol, firsts in ends.items():
            ordered = sorted({*firsts, HIGHEST_PORT + 1})
            self._bits[protocol] = {first: place + number for number, first in enumerate(ordered)}
            place += len(ordered) - 1
        self._icmp, self._other = 1 << place, 2 << place
        self.size = place + 2
        self.everything = (1 << self.size) - 1
        self._known: dict[Used, int] = {}

    def number(self, protocol: Protocol, ports: tuple[PortRange, ...] = ()) -> int:
        """Set of the services with this protocol and these ports, as a number; () means all ports."""
        found = self._known.get((protocol, ports))
        if found is None:
            found = self._known[protocol, ports] = self._number(protocol, ports)
        return found

    def _number(self, protocol: Protocol, ports: tuple[PortRange, ...]) -> int:
        if protocol is Protocol.ANY:
            return self.everything
        if protocol is Protocol.ICMP:
            return self._icmp
        # A rule for all ports also matches port 0, which no rule can name.
        bits, found = self._bits[protocol], 0
        for each in ports or (PortRange(0, HIGHEST_PORT),):
            found |= (1 << bits[each.last + 1]) - (1 << bits[each.first])
        return found

    @cached_property
    def protocols(self) -> tuple[int, ...]:
        """The sets of all services of each protocol; together they are everything."""
        return self.number(Protocol.TCP), self.number(Protocol.UDP), self._icmp, self._other

    def ranges(self, services: int) -> Iterator[ServiceRange]:
        """Describe a set by protocol, without protocols of which it has nothing."""
        if services == self.everything:
            yield ServiceRange(ServiceProtocol.ANY)
            return
        for protocol in (ServiceProtocol.TCP, ServiceProtocol.UDP):
            bits = self._bits[Protocol(protocol.value)]
            firsts = list(bits)
            some = services & self.number(Protocol(protocol.value))
            if some == self.number(Protocol(protocol.value)):
                yield ServiceRange(protocol)
            elif some:
                runs = re.finditer("1+", f"{some >> bits[0]:b}"[::-1])
                yield ServiceRange(protocol, tuple(PortRange(firsts[m.start()], firsts[m.end()] - 1) for m in runs))
        if services & self._icmp:
            yield ServiceRange(ServiceProtocol.ICMP)
        if services & self._other:
            yield ServiceRange(ServiceProtocol.OTHER)
