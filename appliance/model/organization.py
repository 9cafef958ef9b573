"""Organizations, their members and their machines, as stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

from appliance.model.cost import MOST_ELEMENTS

_FREE_ELEMENTS = 4_000


class Plan(str, Enum):
    """Price plan of an organization."""

    FREE = "free"
    PAID = "paid"

    @property
    def machine_limit(self) -> int | None:
        """Most machines; None for no limit."""
        return 2 if self is Plan.FREE else None

    @property
    def element_limit(self) -> int:
        """Most elements of the policy in the data plane (`model.cost`)."""
        return _FREE_ELEMENTS if self is Plan.FREE else MOST_ELEMENTS


class Role(str, Enum):
    """Role of a member, with the rights of all roles below it; the highest role is first."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"

    @property
    def may_change(self) -> bool:
        """True if this role may change machines and policy."""
        return self is not Role.VIEWER

    def covers(self, other: Role) -> bool:
        """True if this role has all rights of the other one."""
        ranks = list(Role)
        return ranks.index(self) <= ranks.index(other)


@dataclass(frozen=True)
class Organization:
    """A tenant.

    Attributes:
        port: UDP port of its WireGuard link, closed to the outside.
        policy_version: number of saves of its policy.
        revision: a new random number for each change of its desired state in the data plane.
        suspended_at: start of a suspension by the operator; None if it is not suspended.
        policy_bytes: approximate size of its rules in the store.
        expectation_count: number of expectations of its policy.
        shard: id of the shard whose address its configurations name; None where there is one hub.
        trail_day: day of the latest entry of its audit trail, in days since 1970 (UTC).
        trail_day_bytes: approximate size of that day's entries in the store, as far as they count (`store.trails`).
        trail_entries: number of entries of its audit trail.
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
    expectation_count: int = 0
    shard: str | None = None
    trail_day: int = field(default=0, compare=False)
    trail_day_bytes: int = field(default=0, compare=False)
    trail_entries: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Member:
    """A person with an account in an organization.

    Attributes:
        verified_at: time at which the e-mail address was verified; None before.
        language: tag of the language that letters to them are written in; None for English.
    """

    id: str
    organization_id: str
    email: str
    password_hash: str
    role: Role
    verified_at: datetime | None = None
    language: str | None = None


@dataclass(frozen=True)
class Machine:
    """A WireGuard peer of an organization.

    Attributes:
        interface: name of its configuration's file without the suffix, unique in the organization.
        enabled: false if it may not connect. A disabled machine keeps its name, address, key and groups.
        has_connected: true if it ever connected.
    """

    id: str
    name: str
    interface: str
    address: IPv4Address
    public_key: str
    groups: tuple[str, ...]
    created_at: datetime
    enabled: bool = True
    has_connected: bool = False

    @property
    def file_name(self) -> str:
        """Name of its configuration file."""
        return f"{self.interface}.conf"


@dataclass(frozen=True)
class AuditEntry:
    """A change, with its actor and time.

    Attributes:
        id: random, because a sequence number would reveal the activity of other organizations.
        detail: JSON data without secrets.
    """

    id: str
    at: datetime
    actor: str
    action: str
    detail: dict[str, object]
