"""Packets that have met the hub for certain, although the lab may hold single ones back on their way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netlab import Received

HeldUntil = Callable[[int], int]
"""Gives the time at which the last packet that may have been held back at a time was sent on; 0 if none was."""


def in_order(at_ns: int) -> int:
    """Returns 0, because nothing is held back."""
    del at_ns
    return 0


def passed(received: Sequence[Received], held_until: HeldUntil) -> list[Received]:
    """Returns those of a stream's arrived packets before which all had met the hub when the last of all arrived.

    When a packet arrives, those before it have met the hub or are held back. A packet that is sent once these were sent
    on comes behind them.

    Args:
        received: packets that arrived.
    """
    latest_ns = max((each.sent_ns for each in received), default=0)
    return [each for each in received if held_until(each.received_ns) <= latest_ns]


def last(received: Sequence[Received]) -> int:
    """Returns the highest number of packets; -1 without any."""
    return max((each.seq for each in received), default=-1)
