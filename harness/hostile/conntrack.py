"""One machine that opens all the connections it can, so that the hub follows as many as possible, for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.hostile import openers
from harness.hostile.programs import Start, running


@dataclass
class Opened:
    """Number of connections that were tried; 0 until the attack is over."""

    connections: int = 0


@contextmanager
def filling(
    start: Start,
    address: str,
    link: str,
    *,
    rate: float = 5_000.0,
    ready_after: int = 1000,
    seconds: float = 600.0,
    log: str = "openers",
) -> Iterator[Opened]:
    """Opens connections of a machine with itself, through the hub, while the block lasts.

    Args:
        start: starts a program in the attacker's network.
        address: the machine's own in its mesh.
        link: the machine's tunnel.
        rate: connections a second, at most.
        ready_after: connections before the block begins.
        seconds: after which it ends by itself.
        log: name of the program's log.

    Raises:
        Inconclusive: it could open none, or did not say how many.
    """
    wish = {"address": address, "link": link, "rate": rate, "ready_after": ready_after, "seconds": seconds}
    opened = Opened()
    program, failed = Path(openers.__file__), "no connections were opened"
    with running(start, program, wish, ready=openers.READY, log=log, otherwise=failed) as told:
        yield opened
    opened.connections = told["connections"]
