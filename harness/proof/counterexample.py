"""One packet out of a class that has the wrong fate."""

from __future__ import annotations

import random
from contextlib import suppress

from harness.proof.atoms import Engine
from harness.proof.choice import Unreachable, choose
from harness.proof.classes import PacketClass
from harness.proof.errors import Unmodelled
from harness.proof.fields import Flow, Variable
from harness.proof.judgement import Difference
from harness.proof.space import Space
from harness.proof.words import Counterexample, Words


def counterexample(difference: Difference, engine: Engine, space: Space) -> Counterexample:
    """Chooses one packet out of a difference and walks it through the rules.

    Raises:
        Unmodelled: no packet was found, so it is not known whether there is one.
    """
    values = _chosen(difference.packets, space)
    chosen = {variable: space.of(variable).atoms_with(value) for variable, value in values.items()}
    engine.walk(difference.packets.with_sets(chosen))
    trace = tuple(map(str, dict.fromkeys(engine.trace)))
    words = Words(Flow(values[Variable.FLOW]), values)
    fate, is_beyond = difference.fate.value, difference.packets.is_limited
    return Counterexample(words.packet(), words.state(), fate, difference.wanted, trace, values, is_beyond)


def _chosen(packets: PacketClass, space: Space) -> dict[Variable, int]:
    """Values of a packet; of one that can be sent, if there is one."""
    # Each time the same one.
    chance = random.Random(0)  # noqa: S311 - a choice, no secret
    flow = Flow(space.of(Variable.FLOW).first(packets.sets[Variable.FLOW]))
    with suppress(Unreachable):
        return choose(packets, flow, space, chance, is_usual=True)
    try:
        return choose(packets, flow, space, chance, can_be_sent=False)
    except Unreachable as error:
        raise Unmodelled("a class of ICMP errors in which no packet was found", "proof") from error
