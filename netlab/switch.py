"""Switches of a lab: Ethernet bridges that hosts are connected to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Switch:
    """A learning bridge without filters. Made by `Lab.switch`.

    Attributes:
        name: name in the lab.
        interface: name of the bridge in the lab's own network namespace, which has all switches.
    """

    name: str
    interface: str
