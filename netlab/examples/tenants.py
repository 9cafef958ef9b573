"""Tenants of `tenanthub`, their machines, and what the hub refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from netlab.wireguard import Tunnel


class Refusal(ValueError):
    """A request makes no sense."""


class Unknown(LookupError):
    """A tenant or machine was named that does not exist."""


class Conflict(Exception):
    """A request can't be met now: no address is left, or the policy was changed since."""


@dataclass(frozen=True)
class Member:
    """A machine of a tenant.

    Attributes:
        id: name of the machine for this hub's calls.
        name: name that people gave it.
        address: IPv4 address in the tunnel.
        public_key: WireGuard public key, in base64.
        groups: names of its groups.
        private_key: WireGuard private key, in base64; empty for a machine that came with a key of its own.
    """

    id: str
    name: str
    address: str
    public_key: str
    groups: tuple[str, ...]
    private_key: str


@dataclass
class Tenant:
    """A tenant.

    Attributes:
        id: name of the tenant for this hub's calls, and of its link and table.
        name: name that people gave it.
        network: range of its machines' addresses.
        port: UDP port of its link.
        private_key: WireGuard private key of its link, in base64.
        tunnel: its link on the hub.
        members: its machines, by id.
        default: `allow` or `deny`, for connections that no rule matches.
        rules: rules with the texts `action`, `source`, `destination`, `protocol` and `ports`.
        version: number of policies that it has had.
    """

    id: str
    name: str
    network: IPv4Network
    port: int
    private_key: str
    tunnel: Tunnel | None = None
    members: dict[str, Member] = field(default_factory=dict)
    default: str = "allow"
    rules: tuple[Mapping[str, str], ...] = ()
    version: int = 1
