"""A switch of a lab: an Ethernet bridge that hosts are connected to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Switch:
    """A learning bridge without filters. Made by `Lab.switch`.

    Attributes:
        name: what the lab calls it.
        interface: the bridge's name in the lab's own network namespace, where all switches are.
    """

    name: str
    interface: str
