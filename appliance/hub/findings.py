"""Damage to an organization's part of the kernel, and its repair."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class DamagedPart(str, Enum):
    """Parts that can be damaged; the values are the names in metrics and logs."""

    NAMESPACE = "namespace"
    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"
    SETTING = "setting"
    RULESET = "ruleset"
    PEER = "peer"
    FRONT_DOOR = "front-door"
    STATE = "state"


@dataclass(frozen=True)
class Damage:
    """One difference from the desired state.

    Attributes:
        what: description without names of customers.
    """

    part: DamagedPart
    what: str


@dataclass(frozen=True)
class Repair:
    """Damage that was found and repaired.

    Attributes:
        organization: its id; "" for the host's front door.
        at: end of the repair; seconds since the epoch.
        seconds: time from noticing the damage to the end of the repair.
    """

    organization: str
    at: float
    seconds: float
    found: tuple[Damage, ...]
