"""Gate of a lease before a front door: it drops the door's datagrams while no lease counts, and nothing else, ever.

A lease counts if UDP is in both sets of one of two pairs. The hub says by the one that the pair counts; from the other
one the kernel takes the element when the lease is over. What the sets contain is left open, so this holds of any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum

from harness.proof.engines import Disagreement
from harness.proof.errors import Unmodelled
from harness.proof.front_door.claims import GATE
from harness.proof.front_door.datagrams import Values, World, values_of
from harness.proof.front_door.interpreter import Machine
from harness.proof.front_door.judged import judged
from harness.proof.front_door.parse import parse
from harness.proof.front_door.reading import DoorReading
from harness.proof.front_door.statements import LOCAL, SLICES, UDP, Door

GATE_CLAIM = "the gate of a lease drops what is to and from the door while no lease counts, and nothing else"
"""Sentence about a gate that has to hold for every datagram, whatever the gate's sets contain."""

_FORM = (8, 0)
_HEADER = 8
_WAYS = {"prerouting": ("udp dport", "daddr", "arrives"), "output": ("udp sport", "saddr", "leaves")}


class GateFault(Enum):
    """Wrong fate of a datagram at a gate."""

    OPEN = "passes the gate while no lease counts"
    SHUT = "is dropped by the gate although a lease counts"
    STRAY = "is dropped by the gate and is not the door's"


Finder = Callable[[Door, Door, str], set[GateFault]]
"""Finds what a gate does wrong: gate, front door, hook."""


def wrong_gate(reading: DoorReading) -> Iterator[str]:
    """Say what is wrong with the gate; a door of one hub, which has any address, needs none.

    Raises:
        Unmodelled: the gate has another form, or parts without a meaning.
        Disagreement: one engine finds what another one does not.
    """
    door = reading.parsed()
    if reading.gate is None:
        if door.address is not None:
            yield "the front door has one address, and no gate of a lease before it"
        return
    gate = parse(reading.entries, reading.gate, reading.links)
    _check_form(gate)
    for name in reading.lasting:
        yield f"the set {name} of the gate has an element that the kernel does not take in time"
    if not _is_around(gate, door):
        yield "the gate judges datagrams that the front door has changed, or will change"
    for hook, (_, _, way) in _WAYS.items():
        for fault in _agreed(gate, door, hook):
            yield f"a datagram that {way} {fault.value}"


def _check_form(gate: Door) -> None:
    for name in (name for pair in GATE for name in pair):
        memory = gate.memories[name]
        if (memory.key, memory.value) != _FORM or name in gate.written:
            raise Unmodelled(f"a gate with another {name}", f"table inet {gate.name}")


def _is_around(gate: Door, door: Door) -> bool:
    """True if the gate sees datagrams before the door when they arrive, and after it when they leave."""
    first, last = (
        [[each.hook.priority for each in table.bases(hook) if each.hook] for table in (gate, door)] for hook in _WAYS
    )
    return max(first[0], default=0) < min(first[1], default=0) and min(last[0], default=0) > max(last[1], default=0)


def _agreed(gate: Door, door: Door, hook: str) -> list[GateFault]:
    # z3 is large, and only the host of many hubs needs it here.
    from harness.proof.front_door.gate_formula import faults_by_z3

    finders: dict[str, Finder] = {"classes": faults_by_classes, "z3": faults_by_z3}
    found = {engine: find(gate, door, hook) for engine, find in finders.items()}
    if found["classes"] != found["z3"]:
        raise Disagreement(f"of the gate's {hook}, classes finds {found['classes']} and z3 {found['z3']}")
    return sorted(found["classes"], key=lambda fault: fault.name)


def faults_by_classes(gate: Door, door: Door, hook: str) -> set[GateFault]:
    """Find what a gate does wrong, by one datagram of each class after the other."""
    values = _with_the_doors(values_of(gate, hook, frozenset(), door.public_port), door, hook)

    def fault(end: Machine) -> GateFault | None:
        if not _is_the_doors(end.world, door, hook):
            return None if end.accepted else GateFault.STRAY
        if end.accepted == _counts(end.world):
            return None
        return GateFault.OPEN if end.accepted else GateFault.SHUT

    found = judged(Machine(gate, World(gate, values), hook), fault)
    return {each for each in found if each is not None}


def _with_the_doors(values: Values, door: Door, hook: str) -> Values:
    """Add the door's port and address and the gate's sets, of which a gate with a fault may say nothing."""
    port, end, _ = _WAYS[hook]
    fields = dict(values.fields)
    if door.address is not None:
        name = f"{door.address.protocol} {end}"
        fields[name] = fields.get(name, frozenset()) | {door.address.value}
    options = tuple(dict.fromkeys((*values.ports[port], door.public_port)))
    looked_up = values.looked_up.union(*GATE)
    return replace(values, fields=fields, ports={**values.ports, port: options}, looked_up=looked_up)


def _is_the_doors(world: World, door: Door, hook: str) -> bool:
    port, end, _ = _WAYS[hook]
    if world.field("meta l4proto") != UDP or world.readable < _HEADER or world.bits(*SLICES[port]) != door.public_port:
        return False
    # A door that has lost its address goes on sending from it, and is still to be judged.
    if (hook == "prerouting" or door.address is None) and world.field(f"fib {end} type") != LOCAL:
        return False
    return door.address is None or (
        world.field("meta nfproto") == door.address.family
        and world.field(f"{door.address.protocol} {end}") == door.address.value
    )


def _counts(world: World) -> bool:
    return any(all(world.first_element(name, UDP).there for name in pair) for pair in GATE)
