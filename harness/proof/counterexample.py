"""One packet out of a class that has the wrong fate, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import product

from harness.proof.atoms import Engine
from harness.proof.classes import PacketClass
from harness.proof.errors import Unmodelled
from harness.proof.fields import (
    ABOUT_ORIGINAL,
    BY_OTHER,
    CONNECTED,
    ICMP,
    RELATED,
    Flow,
    Variable,
    addresses,
    quoted_destination,
)
from harness.proof.judgement import Difference
from harness.proof.literals import ICMP_TYPES, PROTOCOLS
from harness.proof.meaning import ADDRESS_BITS
from harness.proof.space import Space
from harness.proof.universe import ones

_PROTOCOLS = {number: name for name, number in reversed(PROTOCOLS.items())}
_TYPES = {number: name for name, number in ICMP_TYPES.items()}
_WITH_PORTS = ("tcp", "udp")
_SAMPLES = 64


@dataclass(frozen=True)
class Counterexample:
    """A packet whose fate is not what the policy wants.

    Attributes:
        packet: the packet in words.
        state: how it stands to connection tracking, in words.
        fate, wanted: what becomes of it, and what should.
        trace: rules that it meets.
        values: value of each variable.
    """

    packet: str
    state: str
    fate: str
    wanted: str
    trace: tuple[str, ...]
    values: dict[Variable, int]

    def __str__(self) -> str:
        steps = "".join(f"\n    {step}" for step in self.trace)
        return f"{self.packet}, {self.state}\n  is {self.fate}, should be {self.wanted}\n  rules met:{steps}"


def counterexample(difference: Difference, engine: Engine, space: Space) -> Counterexample:
    """Choose one packet out of a difference and walk it through the rules.

    Raises:
        Unmodelled: no packet was found, so it is not known whether there is one.
    """
    packets = difference.packets
    flow = Flow(space.of(Variable.FLOW).first(packets.sets[Variable.FLOW]))
    chosen = {variable: packets.sets[variable] & -packets.sets[variable] for variable in Variable}
    values = {variable: space.of(variable).first(bits) for variable, bits in chosen.items()}
    if flow in BY_OTHER:
        quoted = quoted_destination(flow)
        found = _distinct(packets, space, Variable.SENDER, quoted)
        if found is None:
            raise Unmodelled("a class of ICMP errors in which no packet was found", "proof")
        for variable, value in zip((Variable.SENDER, quoted), found, strict=True):
            values[variable] = value
            chosen[variable] = _atom_of(space, variable, value)
    one = packets.with_sets(chosen)
    engine.walk(one)
    trace = tuple(map(str, dict.fromkeys(engine.trace)))
    words = _Words(flow, values)
    return Counterexample(words.packet(), words.state(), difference.fate.value, difference.wanted, trace, values)


def _atom_of(space: Space, variable: Variable, value: int) -> int:
    universe = space.of(variable)
    (at,) = (at for at in range(len(universe)) if universe.atom(at)[0] <= value <= universe.atom(at)[1])
    return 1 << at


def _distinct(packets: PacketClass, space: Space, one: Variable, other: Variable) -> tuple[int, int] | None:
    """Two different addresses that agree and differ where the class says so."""
    universe = space.of(one)
    own, others = (list(_samples(universe.atom, packets.sets[variable])) for variable in (one, other))
    flips = [1 << bit for bit in range(ADDRESS_BITS.bit_length())]
    candidates = product(own, (*others,))
    near = ((value, value ^ flip) for value in own for flip in flips)
    allowed = packets.sets[other]
    for first, second in (*candidates, *near):
        differing = first ^ second
        inside = any(low <= second <= high for low, high in universe.intervals(allowed))
        if inside and differing and not differing & packets.agree and all(differing & bits for bits in packets.differ):
            return first, second
    return None


def _samples(atom: Callable[[int], tuple[int, int]], bits: int) -> Iterator[int]:
    for count, at in enumerate(ones(bits)):
        if count == _SAMPLES:
            return
        first, last = atom(at)
        yield first
        if last != first:
            yield last


class _Words:
    def __init__(self, flow: Flow, values: dict[Variable, int]) -> None:
        self._flow = flow
        self._values = values

    def packet(self) -> str:
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
        if self._flow not in CONNECTED:
            return self._flow.name.lower()
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
