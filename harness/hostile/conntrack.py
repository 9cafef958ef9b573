"""Attack on connection tracking: one machine opens as many connections through the hub as it can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.hostile import openers
from harness.hostile.programs import Start, running


@dataclass
class ConnectionsOpened:
    """Number of connections that the attack tried to open; 0 until it is over."""

    connections: int = 0


@contextmanager
def opening(
    start: Start,
    address: str,
    link: str,
    *,
    rate: float = 5_000.0,
    ready_after: int = 1000,
    seconds: float = 600.0,
    log: str = "openers",
) -> Iterator[ConnectionsOpened]:
    """Opens connections of a machine with itself, through the hub, while the block runs.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        address: overlay address of the machine.
        link: name of its tunnel's interface.
        rate: most connections per second.
        ready_after: connections before the block begins.
        seconds: time after which the attack ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: no connection was opened, or the program did not report their number.
    """
    options = {"address": address, "link": link, "rate": rate, "ready_after": ready_after, "seconds": seconds}
    opened = ConnectionsOpened()
    program, failure = Path(openers.__file__), "no connections were opened"
    with running(start, program, options, ready=openers.READY, log=log, failure=failure) as result:
        yield opened
    opened.connections = result["connections"]
