"""What a look at an organization's part of the kernel found amiss, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Part(str, Enum):
    """What can be damaged; the names are those of metrics and logs."""

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
class Finding:
    """One thing that was not as it should be.

    Attributes:
        what: in words, without names of customers.
    """

    part: Part
    what: str


@dataclass(frozen=True)
class Repair:
    """Damage that was found and mended.

    Attributes:
        organization: its id; "" where it is the host's front door.
        at: seconds since the epoch, when it was whole again.
        seconds: from noticing until it was whole.
    """

    organization: str
    at: float
    seconds: float
    found: tuple[Finding, ...]
