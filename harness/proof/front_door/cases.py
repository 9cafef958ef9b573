"""One datagram, the contents of the sets and maps that it meets, and what the rules do to both: all values known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.proof.front_door.datagrams import Element
from harness.proof.front_door.interpreter import Machine


@dataclass(frozen=True)
class Case:
    """A datagram with its computed fate.

    Attributes:
        hook: prerouting or output.
        fields: value of each field that is in no UDP header.
        asked: names of those fields that rules read.
        header: UDP header and payload.
        readable: number of their bytes that are there.
        before, after: elements by the set's name and key; others make no difference.
        accepted: it passes the rules.
        written: fields that rules wrote, by name.
        rates: by the handle of a rule with a rate that the datagram comes to, whether the rule goes on.
        room: by the name of a set to which an element is added, whether there is room.
        is_consistent: a rate and a set say the same each time that the datagram comes to them.
    """

    hook: str
    fields: Mapping[str, int]
    asked: frozenset[str]
    header: bytes
    readable: int
    before: Mapping[tuple[str, int], Element]
    after: Mapping[tuple[str, int], Element]
    accepted: bool
    written: Mapping[str, int]
    untracked: bool
    rates: Mapping[int, bool]
    room: Mapping[str, bool]
    is_consistent: bool


def case_of(machine: Machine) -> Case:
    """Puts what a run met into values; what it did not ask for has ordinary ones."""
    world = machine.world
    fields, header, readable = world.datagram()
    return Case(
        machine.hook,
        fields,
        world.asked,
        header,
        readable,
        dict(world.before),
        dict(world.after),
        machine.accepted,
        dict(machine.written),
        machine.untracked,
        dict(machine.rates),
        dict(machine.room),
        machine.is_consistent,
    )
