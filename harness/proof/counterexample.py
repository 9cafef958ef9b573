"""One packet out of a class that has the wrong fate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from harness.proof.atoms import Engine
from harness.proof.classes import PacketClass
from harness.proof.errors import Unmodelled
from harness.proof.fields import (
    BY_OTHER,
    Flow,
    Variable,
    quoted_destination,
)
from harness.proof.judgement import Difference
from harness.proof.meaning import ADDRESS_BITS
from harness.proof.space import Space
from harness.proof.universe import ones
from harness.proof.words import Counterexample, Words

_SAMPLES = 64


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
    words = Words(flow, values)
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
