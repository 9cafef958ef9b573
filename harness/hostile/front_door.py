"""Attack on the hub's UDP port: one organization floods it with handshakes and holds sessions there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.hostile import handshakers
from harness.hostile.programs import LONGEST_S, Start, running
from harness.wire.noiseclient import NoiseClient
from netlab import Host

Source = tuple[str, int]
"""Address and UDP port that a message is sent from."""

_READY_AFTER = 1000
BETWEEN_HANDSHAKES_S = 0.05
"""Seconds between handshakes of one machine: WireGuard ignores one that follows another within 20 ms."""


@dataclass
class MessagesSent:
    """Number of messages that the attack sent; 0 until it is over."""

    initiations: int = 0
    responses: int = 0


def establish_sessions(host: Host, configuration: str, hub_address: str, sources: Sequence[Source]) -> list[bytes]:
    """Completes a handshake from each source, always as the same machine.

    Args:
        host: host of the attacker.
        configuration: text of a wg-quick configuration.
        hub_address: underlay address of the hub.
        sources: addresses and ports of the host.

    Returns:
        The hub's index of each session.

    Raises:
        NothingArrived: a handshake was not answered.
    """
    numbers = []
    for source in sources:
        with NoiseClient(host, configuration, hub_address, source=source) as client:
            client.shake_hands()
            numbers.append(client.hub_index)
        time.sleep(BETWEEN_HANDSHAKES_S)
    return numbers


@contextmanager
def flooding(
    start: Start,
    hub: Source,
    hub_public_key: str,
    sources: Sequence[Source],
    *,
    sessions: Sequence[bytes] = (),
    rate: float = 1000.0,
    ready_after: int = _READY_AFTER,
) -> Iterator[MessagesSent]:
    """Sends handshake initiations from one source after the other while the block runs.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        hub: address and port of the hub.
        hub_public_key: public key, in base64, of the organization's hub.
        sources: addresses of the attacker's host, with free ports.
        sessions: session indexes; each initiation is followed by a handshake response to one of them.
        rate: messages per second.
        ready_after: messages before the block begins.

    Raises:
        Inconclusive: the program could not send.
    """
    options = {
        "hub": hub,
        "key": hub_public_key,
        "sources": sources,
        "sessions": [each.hex() for each in sessions],
        "rate": rate,
        "ready_after": ready_after,
        "seconds": LONGEST_S,
    }
    messages = MessagesSent()
    with running(start, handshakers, options, failure="the handshakers could not send") as result:
        yield messages
    messages.initiations, messages.responses = result["initiations"], result["responses"]
