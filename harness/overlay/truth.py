"""Reference model of a policy: the harness's own reading of its definition, which shares no code with the product."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.overlay.machine import Machine
from harness.overlay.mesh import Rule

ECHO_REQUEST = 8
OPENING_KINDS = frozenset({ECHO_REQUEST, 13, 15, 17})
"""ICMP types that ask for an answer (RFC 792, RFC 950). Without a connection, no other type belongs to one."""

LAST_PORT = 65535


@dataclass(frozen=True)
class PortProtocol:
    """A protocol, with a port if the protocol has ports.

    Attributes:
        protocol: ``tcp``, ``udp`` or ``icmp``; of any other protocol, its number.
        port: destination port; None for a protocol without ports.
        kind: ICMP type; None for a ping.
    """

    protocol: str
    port: int | None = None
    kind: int | None = None

    @property
    def opens(self) -> bool:
        """True if a packet of this kind can open a connection."""
        return self.kind is None or self.kind in OPENING_KINDS

    def __str__(self) -> str:
        if self.kind is not None:
            return f"{self.protocol} type {self.kind}"
        if self.port is not None:
            return f"{self.protocol}/{self.port}"
        return f"protocol {self.protocol}" if self.protocol.isdecimal() else self.protocol


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

    A packet that can't open a connection is denied whatever the rules say.

    Args:
        cell: source, destination and port.
        default: ``allow`` or ``deny``.
        rules: rules as the API takes them.
    """
    actions = {rule["action"] for rule in rules if _applies_to(rule, cell)}
    if "deny" in actions or not cell.service.opens:
        return False
    return "allow" in actions or default == "allow"


def _applies_to(rule: Rule, cell: CellKey) -> bool:
    return (
        names(rule["source"], cell.source)
        and names(rule["destination"], cell.destination)
        and rule.get("protocol", "any") in ("any", cell.service.protocol)
        and _has_port(rule.get("ports") or "all", cell.service.port)
    )


def names(selector: str, machine: Machine) -> bool:
    """Returns True if an end of a rule names a machine."""
    if selector == "any" or selector == f"machine:{machine.id}":
        return True
    return selector.removeprefix("group:") in machine.groups if selector.startswith("group:") else False


def _has_port(ports: str, port: int | None) -> bool:
    return ports == "all" or (port is not None and any(first <= port <= last for first, last in _ranges(ports)))


def _ranges(ports: str) -> Iterator[tuple[int, int]]:
    for part in ports.split(","):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


def borders(rule: Rule) -> list[int]:
    """Returns the first and last port of each of a rule's ranges, and the ports beside them; none without ports."""
    ports = rule.get("ports") or "all"
    if ports == "all":
        return []
    near = {port for first, last in _ranges(ports) for port in (first - 1, first, last, last + 1)}
    return sorted(port for port in near if 0 <= port <= LAST_PORT)
