"""Organizations, their people and their machines, as the store knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

from appliance.model.cost import MOST_ELEMENTS

_FREE_ELEMENTS = 4_000


class Plan(str, Enum):
    """What an organization pays for."""

    FREE = "free"
    PAID = "paid"

    @property
    def machine_limit(self) -> int | None:
        """How many machines it covers; None is no limit."""
        return 2 if self is Plan.FREE else None

    @property
    def element_limit(self) -> int:
        """How much its policy may cost the data plane (`model.cost`)."""
        return _FREE_ELEMENTS if self is Plan.FREE else MOST_ELEMENTS


class Role(str, Enum):
    """What a member may do; each role may do all that those after it may."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"

    @property
    def may_change(self) -> bool:
        """Whether machines and policy may be changed."""
        return self is not Role.VIEWER

    def covers(self, other: Role) -> bool:
        """Whether who has this role may do all that the other one may."""
        ranks = list(Role)
        return ranks.index(self) <= ranks.index(other)


@dataclass(frozen=True)
class Organization:
    """A tenant.

    Attributes:
        port: UDP port of its WireGuard link, closed to the outside.
        policy_version: counts the saves of its policy.
        policy_bytes: what its rules take in the store, about.
        revision: another number with each change of what the data plane should have for it.
        suspended_at: since when the operator has it suspended; None: it is not.
        trail_day: the day of the latest entry of its audit trail, in days since 1970 (UTC).
        trail_day_bytes: what that day's entries take in the store.
    """

    id: str
    name: str
    network: IPv4Network
    port: int
    hub_public_key: str
    plan: Plan
    policy_version: int
    revision: int
    created_at: datetime
    suspended_at: datetime | None = None
    policy_bytes: int = 0
    trail_day: int = field(default=0, compare=False)
    trail_day_bytes: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Member:
    """A person of an organization.

    Attributes:
        verified_at: when somebody showed that the e-mail address is this person's.
    """

    id: str
    organization_id: str
    email: str
    password_hash: str
    role: Role
    verified_at: datetime | None = None


@dataclass(frozen=True)
class Machine:
    """A WireGuard peer of an organization.

    Attributes:
        interface: what its configuration's file is called by; no other machine of the organization has the same.
        enabled: whether it may connect. One that is disabled keeps its name, address, key and groups.
    """

    id: str
    name: str
    interface: str
    address: IPv4Address
    public_key: str
    groups: tuple[str, ...]
    created_at: datetime
    enabled: bool = True

    @property
    def file_name(self) -> str:
        """Name of its configuration's file, as wg-quick takes it."""
        return f"{self.interface}.conf"


@dataclass(frozen=True)
class AuditEntry:
    """One change, by whom and when; ``detail`` is plain JSON data without secrets.

    Attributes:
        id: random: a number would count what other organizations do.
    """

    id: str
    at: datetime
    actor: str
    action: str
    detail: dict[str, object]
