"""Probe packets: the first packets of connections between two machines, by which rules in force are measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from appliance.model.matrix import Cell
from appliance.model.policy import Protocol
from appliance.model.services import ServiceProtocol

MOST_RULE_BYTES = 4 << 20
"""Largest rules that are measured, as the kernel lists them; a copy of these takes the hub more than half a second."""
MOST_PROBES = 2000
"""Most probes of one measurement: fewer than the new connections that the hub's rules let one machine open at once."""


class ProbeKind(str, Enum):
    """Protocol of a probe; ``OTHER`` is one that no rule can name."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    OTHER = "other"

    @property
    def has_ports(self) -> bool:
        """True for TCP and UDP."""
        return self in (ProbeKind.TCP, ProbeKind.UDP)


_ANY_PORT = 443
_MOST_RANGES = 4
_KINDS: Mapping[ServiceProtocol, tuple[ProbeKind, ...]] = {
    ServiceProtocol.ANY: tuple(ProbeKind),
    **{ServiceProtocol(kind.value): (kind,) for kind in ProbeKind},
}


@dataclass(frozen=True)
class Probe:
    """First packet of a connection.

    Attributes:
        source, destination: ids of enabled machines.
        port: the destination's; 0 for protocols without ports.
    """

    source: str
    destination: str
    kind: ProbeKind
    port: int = 0

    @property
    def protocol(self) -> Protocol:
        """Protocol of the rules that speak of it; ANY if only rules for any protocol do."""
        return Protocol.ANY if self.kind is ProbeKind.OTHER else Protocol(self.kind.value)


def services_of(cell: Cell) -> Iterator[tuple[ProbeKind, int]]:
    """Choose protocols and ports that stand for the services of a cell, those that it names first."""
    chosen: dict[tuple[ProbeKind, int], None] = {}
    for services in (*cell.some, *cell.rest):
        for kind in _KINDS[services.protocol]:
            ranges = services.ports[:_MOST_RANGES] if services.ports else ()
            # No connection goes to port 0, which begins the ports that are left over.
            ports = [each.first or each.last for each in ranges] or [_ANY_PORT]
            chosen.update(dict.fromkeys((kind, port) for port in (ports if kind.has_ports else (0,))))
    return iter(chosen)


def choose(pairs: Sequence[tuple[str, str]], services: Sequence[tuple[ProbeKind, int]], most: int) -> list[Probe]:
    """Choose probes between pairs of machines, spread over all pairs and services if they are too many.

    Args:
        pairs: ids of sources and destinations.
    """
    every = [Probe(*pair, *service) for service in services for pair in pairs]
    return every[:: -(-len(every) // most) or 1] if most > 0 else []
