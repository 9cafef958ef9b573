"""Solutions that z3 found, in words."""

from __future__ import annotations

import z3

from harness.proof.bitvectors.logic import Number
from harness.proof.front_door.claims import FIRST_AT, KIND_AT, SECOND_AT
from harness.proof.front_door.questions import Contradiction
from harness.proof.front_door.words import counterexample
from harness.proof.words import Counterexample


def of_model(found: Contradiction) -> Counterexample:
    """Put a solution into words."""

    def value(term: Number) -> int:
        return int(found.model.eval(term, model_completion=True).as_long())

    datagram = found.walk.datagram
    ports = value(datagram.port("udp sport")), value(datagram.port("udp dport"))
    message = value(datagram.word(KIND_AT)), value(datagram.word(FIRST_AT)), value(datagram.word(SECOND_AT))
    met = (step for step in found.walk.steps if z3.is_true(found.model.eval(step.here, model_completion=True)))
    return counterexample(found.claim, ports, message, tuple(step.where for step in met))
