"""Solutions that z3 found, in words."""

from __future__ import annotations

from itertools import islice

import z3

from harness.proof.bitvectors.logic import Number
from harness.proof.front_door.cases import Case
from harness.proof.front_door.claims import FIRST_AT, KIND_AT, SECOND_AT
from harness.proof.front_door.datagrams import values_of
from harness.proof.front_door.enumeration import contradictions
from harness.proof.front_door.interpreter import Machine
from harness.proof.front_door.judged import judged
from harness.proof.front_door.questions import Contradiction
from harness.proof.front_door.statements import Door
from harness.proof.front_door.told import Told
from harness.proof.front_door.words import DoorExample, counterexample

_MOST_TRIES = 1000


def of_model(found: Contradiction, door: Door, desk: frozenset[int], public: int) -> DoorExample:
    """Puts a solution into words, and follows it step by step.

    Args:
        desk: ports of the hub's process for known sources.
        public: the port that all links share.
    """

    def value(term: Number) -> int:
        return int(found.model.eval(term, model_completion=True).as_long())

    datagram = found.walk.datagram
    ports = value(datagram.port("udp sport")), value(datagram.port("udp dport"))
    message = value(datagram.word(KIND_AT)), value(datagram.word(FIRST_AT)), value(datagram.word(SECOND_AT))
    met = (step for step in found.walk.steps if z3.is_true(found.model.eval(step.here, model_completion=True)))
    return counterexample(
        found.claim, ports, message, tuple(step.where for step in met), _case(found, door, desk, public)
    )


def _case(found: Contradiction, door: Door, desk: frozenset[int], public: int) -> Case | None:
    """All values of a solution; z3 does not say for which rules a rate or a lack of room counts, so that is tried."""
    hook = found.walk.hook
    world = Told(door, values_of(door, hook, desk, public), found.walk, found.model)

    def same(end: Machine) -> Case | None:
        claimed = (each.case for each in contradictions(door, end, public) if each.claim is found.claim)
        return next(claimed, None)

    tries = islice(judged(Machine(door, world, hook), same), _MOST_TRIES)
    return next((each for each in tries if each is not None), None)
