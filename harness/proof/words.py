"""A packet with a wrong fate, in words."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from harness.proof.fields import ABOUT_ORIGINAL, CONNECTED, ICMP, RELATED, Flow, Variable, addresses
from harness.proof.literals import ICMP_TYPES, PROTOCOLS

_PROTOCOLS = {number: name for name, number in reversed(PROTOCOLS.items())}
_TYPES = {number: name for name, number in ICMP_TYPES.items()}
_WITH_PORTS = ("tcp", "udp")


@dataclass(frozen=True)
class Counterexample:
    """A packet whose fate is not what the policy wants.

    Attributes:
        packet: the packet in words.
        state: relation of the packet to its connection, in words.
        fate, wanted: fate of the packet, and the right one.
        trace: rules that it meets.
        values: value of each variable.
        is_beyond_rate: it comes beyond a rate.
    """

    packet: str
    state: str
    fate: str
    wanted: str
    trace: tuple[str, ...]
    values: dict[Variable, int]
    is_beyond_rate: bool = False

    def __str__(self) -> str:
        steps = "".join(f"\n    {step}" for step in self.trace)
        beyond = ", beyond a rate" if self.is_beyond_rate else ""
        return f"{self.packet}, {self.state}{beyond}\n  is {self.fate}, should be {self.wanted}\n  rules met:{steps}"


class Words:
    """Words for one packet."""

    def __init__(self, flow: Flow, values: dict[Variable, int]) -> None:
        self._flow = flow
        self._values = values

    def packet(self) -> str:
        """Puts protocol, ends and ports of the packet into words."""
        source, destination = (self._address(each) for each in addresses(self._flow))
        protocol = ICMP if self._flow in RELATED else self._values[Variable.PROTOCOL]
        name = _PROTOCOLS.get(protocol, f"protocol {protocol}")
        if protocol == ICMP:
            kind = self._values[Variable.TYPE]
            name += f" {_TYPES.get(kind, f'type {kind}')} code {self._values[Variable.CODE]}"
        ports = (self._values[Variable.SOURCE_PORT], self._values[Variable.DESTINATION_PORT])
        if self._flow is Flow.REPLY:
            ports = ports[::-1]
        if name in _WITH_PORTS:
            return f"{name} {source}:{ports[0]} → {destination}:{ports[1]}"
        return f"{name} {source} → {destination}"

    def state(self) -> str:
        """Relation of the packet to its connection."""
        if self._flow not in CONNECTED:
            return self._flow.name.lower().replace("_", " ")
        word = "related" if self._flow in RELATED else "new" if self._flow < Flow.ORIGINAL else "established"
        if self._flow in RELATED:
            quoted = "a packet of the opener" if self._flow in ABOUT_ORIGINAL else "a reply"
            word += f" (quotes {quoted}, first byte {self._values[Variable.QUOTED]:#04x})"
        elif self._flow is Flow.REPLY:
            word += " (reply)"
        protocol = self._values[Variable.PROTOCOL]
        name = _PROTOCOLS.get(protocol, f"protocol {protocol}")
        port = f":{self._values[Variable.DESTINATION_PORT]}" if name in _WITH_PORTS else ""
        opened = f"{self._address(Variable.SOURCE)} → {self._address(Variable.DESTINATION)}{port}"
        return f"{word}, connection {name} {opened}"

    def _address(self, variable: Variable) -> IPv4Address:
        return IPv4Address(self._values[variable])
