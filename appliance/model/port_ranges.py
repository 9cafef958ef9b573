"""Ranges of TCP and UDP ports, as rules name them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.model.errors import Invalid

HIGHEST_PORT = 65535
MOST_PORT_RANGES = 100

_PORTS = re.compile(r"\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?", re.ASCII)


@dataclass(frozen=True, order=True)
class PortRange:
    """Ports from ``first`` to ``last``, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last


def parse_ports(text: str) -> tuple[PortRange, ...]:
    """Parse ``22,80,8000-8100``; empty or ``all`` means every port and gives ().

    Raises:
        Invalid: not of that form, a port outside 1 to 65535, or a range that runs backwards.
    """
    if text.strip() in ("", "all"):
        return ()
    ranges: list[PortRange] = []
    if text.count(",") >= MOST_PORT_RANGES:
        raise Invalid(
            "A rule takes at most {most} ports and ranges.",
            field="ports",
            most=MOST_PORT_RANGES,
        )
    for part in text.split(","):
        match = _PORTS.fullmatch(part)
        if match is None:
            raise Invalid("The ports are not of the form 22,80,8000-8100.", field="ports")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= HIGHEST_PORT:
            raise Invalid(
                "{text} is not a port or a range of ports from 1 to {highest}.",
                field="ports",
                text=part.strip(),
                highest=HIGHEST_PORT,
            )
        ranges.append(PortRange(first, last))
    return merge_ports(ranges)


def merge_ports(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """Merge ranges into sorted ones with a gap between any two."""
    merged: list[PortRange] = []
    for current in sorted(ranges):
        if merged and current.first <= merged[-1].last + 1:
            merged[-1] = PortRange(merged[-1].first, max(merged[-1].last, current.last))
        else:
            merged.append(current)
    return tuple(merged)


def format_ports(ports: Iterable[PortRange]) -> str:
    """Write ports for `parse_ports`; () gives ``all``."""
    return ",".join(map(str, ports)) or "all"
