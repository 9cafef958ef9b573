"""Attack on connection tracking: one machine opens as many connections through the hub as it can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.hostile import openers
from harness.hostile.programs import LONGEST_S, Start, running

_READY_AFTER = 1000
"""Connections before the block of an attack begins."""


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
) -> Iterator[ConnectionsOpened]:
    """Opens connections of a machine with itself, through the hub, while the block runs.

    Args:
        start: starts a program in the attacker's network (`Host.start_tool`).
        address: overlay address of the machine.
        link: name of its tunnel's interface.
        rate: most connections per second.

    Raises:
        Inconclusive: no connection was opened, or the program did not report their number.
    """
    options = {"address": address, "link": link, "rate": rate, "ready_after": _READY_AFTER, "seconds": LONGEST_S}
    opened = ConnectionsOpened()
    with running(start, openers, options, failure="no connections were opened") as result:
        yield opened
    opened.connections = result["connections"]
