"""Datagrams that contradict a claim, in words."""

from __future__ import annotations

from harness.proof.front_door.claims import ANSWER, COOKIE, DATA, FIRST_AT, INITIATION, KIND_AT, SECOND_AT, Claim
from harness.proof.front_door.enumeration import Contradiction
from harness.proof.front_door.statements import SLICES
from harness.proof.words import Counterexample

_KINDS = {INITIATION: "first message", ANSWER: "answer", COOKIE: "cookie", DATA: "data message"}


def counterexample(
    claim: Claim, ports: tuple[int, int], message: tuple[int, int, int], trace: tuple[str, ...]
) -> Counterexample:
    """Put a datagram into words.

    Args:
        ports: source and destination.
        message: first word and the two indices behind it.
    """
    kind, first, second = message
    packet = f"{_KINDS.get(kind, f'message {kind:#010x}')} from port {ports[0]} to port {ports[1]}"
    state = f"indices {first:#010x} and {second:#010x}"
    return Counterexample(packet, state, "not treated as claimed", claim.value, trace, {})


def of_class(found: Contradiction) -> Counterexample:
    """Put what the enumeration found into words."""
    bits = found.world.bits
    ports = bits(*SLICES["udp sport"]), bits(*SLICES["udp dport"])
    message = bits(KIND_AT, 32), bits(FIRST_AT, 32), bits(SECOND_AT, 32)
    return counterexample(found.claim, ports, message, found.trace)
