"""Datagrams that contradict a claim, in words."""

from __future__ import annotations

from dataclasses import dataclass

from harness.proof.front_door.cases import Case
from harness.proof.front_door.claims import ANSWER, COOKIE, DATA, FIRST_AT, INITIATION, KIND_AT, SECOND_AT, Claim
from harness.proof.front_door.enumeration import Contradiction
from harness.proof.front_door.statements import SLICES
from harness.proof.words import Counterexample

_KINDS = {INITIATION: "first message", ANSWER: "answer", COOKIE: "cookie", DATA: "data message"}


@dataclass(frozen=True)
class DoorExample(Counterexample):
    """A datagram that contradicts a claim.

    Attributes:
        claim: the claim.
        case: all values; None if it was not found step by step.
    """

    claim: Claim = Claim.DATA
    case: Case | None = None


def counterexample(
    claim: Claim,
    ports: tuple[int, int],
    message: tuple[int, int, int],
    trace: tuple[str, ...],
    case: Case | None = None,
) -> DoorExample:
    """Puts a datagram into words.

    Args:
        ports: source and destination.
        message: first word and the two indices behind it.
        case: all values, if they are known.
    """
    kind, first, second = message
    packet = f"{_KINDS.get(kind, f'message {kind:#010x}')} from port {ports[0]} to port {ports[1]}"
    state = f"indices {first:#010x} and {second:#010x}"
    fate = "not treated as claimed"
    return DoorExample(packet, state, fate, claim.value, trace, {}, claim=claim, case=case)


def described(case: Case) -> str:
    """Puts the datagram of a case into words."""
    kind, first, second = (int.from_bytes(case.header[at : at + 4], "big") for at in (8, 12, 16))
    sport, dport = (int.from_bytes(case.header[at : at + 2], "big") for at in (0, 2))
    found = counterexample(Claim.DATA, (sport, dport), (kind, first, second), ())
    way = "arriving" if case.hook == "prerouting" else "sent by the host"
    return f"{found.packet}, {found.state}, {way}, of which {case.readable} bytes can be read"


def of_class(found: Contradiction) -> DoorExample:
    """Puts what the enumeration found into words."""
    bits = found.world.bits
    ports = bits(*SLICES["udp sport"]), bits(*SLICES["udp dport"])
    message = bits(KIND_AT, 32), bits(FIRST_AT, 32), bits(SECOND_AT, 32)
    return counterexample(found.claim, ports, message, found.trace, found.case)
