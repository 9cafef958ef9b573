"""Proof that a front door leads each datagram to its own link, by both engines, or datagrams that contradict it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from harness.proof.engines import check_agreement
from harness.proof.errors import Unmodelled
from harness.proof.front_door import words
from harness.proof.front_door.enumeration import enumerate_all
from harness.proof.front_door.reading import DoorReading
from harness.proof.proof import SHOWN, Proof
from harness.proof.words import Counterexample


def prove_door(reading: DoorReading) -> tuple[Proof, ...]:
    """Shows all claims (`claims.Claim`) for all datagrams and all contents of the maps, by each engine.

    Raises:
        Unmodelled: a part of what was read has no meaning for one of them.
        Disagreement: they differ.
    """
    proofs = (_by_classes(reading), _by_z3(reading))
    check_agreement(proofs)
    return proofs


def _by_classes(reading: DoorReading) -> Proof:
    start = time.monotonic()
    outcome = enumerate_all(reading.parsed(), reading.desk)
    examples = () if outcome.contradiction is None else (words.of_class(outcome.contradiction),)
    return _proof(reading, "classes", outcome.runs, examples, start)


def _by_z3(reading: DoorReading) -> Proof:
    # z3 is large, and nothing else needs it.
    from harness.proof.front_door.questions import Questions
    from harness.proof.front_door.solutions import of_model

    start = time.monotonic()
    questions = Questions(reading.parsed(), reading.desk)
    if questions.port in reading.inner | reading.desk:
        raise Unmodelled(f"the public port {questions.port}, which has another use too,", f"table inet {reading.table}")
    found = islice(questions.contradictions(), SHOWN)
    examples = tuple(of_model(each, reading.parsed(), reading.desk, questions.port) for each in found)
    return _proof(reading, "z3", questions.steps, examples, start)


def _proof(reading: DoorReading, engine: str, counted: int, examples: Iterable[Counterexample], start: float) -> Proof:
    taken = time.monotonic() - start
    return Proof(reading.digest, reading.kernel, engine, counted, tuple(examples), taken)


def wrong_links(reading: DoorReading, links: Mapping[str, int], *, are_all: bool) -> Iterator[str]:
    """Says which ports the front door leads to that are no organization's, or that it does not lead to.

    Args:
        links: port of each organization's link, by the organization.
        are_all: there are no other organizations.
    """
    owners: dict[int, list[str]] = {}
    for organization, port in links.items():
        owners.setdefault(port, []).append(organization)
    for port, several in owners.items():
        if len(several) > 1:
            yield f"the links of {' and '.join(several)} have one port, {port}"
        if port not in reading.inner:
            yield f"the front door does not lead to port {port} of {several[0]}"
    for port in sorted(reading.inner - owners.keys()) if are_all else ():
        yield f"the front door leads to port {port}, which is no organization's"
