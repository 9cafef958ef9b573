"""Counters of the front door's table, by what became of packets: pure."""

from __future__ import annotations

DROPS = (
    "malformed",
    "sessionless",
    "dismissed",
    "closed",
    "stranger_pace",
    "strangers_pace",
    "regular_pace",
    "offered_of",
    "taken",
    "unasked",
)
"""Counters of dropped packets, one for each reason."""

BOUNDS = ("regulars_of", "regulars_pace", "begun_of", "known_of")
"""Counters of packets above a bound, which pass without preference; one for each bound."""

TOLD = (*BOUNDS, "offered_of", "unasked")
"""Counters that grow only in a crowd or an attack, and are logged then."""


def counted(name: str) -> str:
    """Statement that counts a packet."""
    return f"counter name {name}"


def dropped(reason: str) -> str:
    """Statements that count a packet and drop it."""
    return f"{counted(reason)} drop"
