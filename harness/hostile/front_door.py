"""One organization that floods the hub's port with handshakes, and holds on to its sessions there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.hostile import knockers
from harness.hostile.programs import Start, running
from harness.wire.noiseclient import NoiseClient
from netlab import Host

Source = tuple[str, int]
"""Address and UDP port that a message is sent from."""

_READY_AFTER = 1000
BETWEEN_HANDSHAKES_S = 0.05
"""Seconds between handshakes of one machine; within 20 ms, WireGuard reads the first alone."""


@dataclass
class Knocks:
    """Numbers of messages that were sent; 0 until the attack is over."""

    initiations: int = 0
    responses: int = 0


def become_known(host: Host, configuration: str, hub_address: str, sources: Sequence[Source]) -> list[bytes]:
    """Shakes hands from each of these sources, as one and the same machine that moves.

    Args:
        configuration: text as wg-quick would be given.

    Returns:
        The numbers that the hub gave to the sessions.

    Raises:
        NothingArrived: the hub did not answer one.
    """
    numbers = []
    for source in sources:
        with NoiseClient(host, configuration, hub_address, source=source) as client:
            client.shake_hands()
            numbers.append(client.hub_index)
        time.sleep(BETWEEN_HANDSHAKES_S)
    return numbers


@contextmanager
def knocking(
    start: Start,
    hub: Source,
    hub_public_key: str,
    sources: Sequence[Source],
    *,
    sessions: Sequence[bytes] = (),
    rate: float = 1000.0,
    ready_after: int = _READY_AFTER,
    seconds: float = 600.0,
    log: str = "knockers",
) -> Iterator[Knocks]:
    """Sends first messages from all of these sources in turn, while the block lasts; the hub has heard many before it.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        hub: where the hub is.
        hub_public_key: of the organization that the messages are for.
        sources: of the attacker's host, each of which is free.
        sessions: numbers to which every other message is an answer, as if the hub's handshake had just been answered.
        rate: messages per second.
        ready_after: messages before the block begins.
        seconds: after which it ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: it could not send.
    """
    wish = {
        "hub": hub,
        "key": hub_public_key,
        "sources": sources,
        "sessions": [each.hex() for each in sessions],
        "rate": rate,
        "ready_after": ready_after,
        "seconds": seconds,
    }
    knocks = Knocks()
    program, failed = Path(knockers.__file__), "the knockers could not send"
    with running(start, program, wish, ready=knockers.READY, log=log, otherwise=failed) as told:
        yield knocks
    knocks.initiations, knocks.responses = told["initiations"], told["responses"]
