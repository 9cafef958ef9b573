"""Policies and machines of organizations, as a service says: by its API, or by the operator's command."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.proof import Machine, Policy, Unmodelled

if TYPE_CHECKING:
    from harness.client.api import Api

Command = Callable[[list[str]], str]
"""Runs a program on the hub's host and returns its standard output."""


class Unavailable(Exception):
    """A namespace, a program or a stable policy is missing."""


@dataclass(frozen=True)
class Organization:
    """Policy and machines of an organization, as a service says.

    Attributes:
        version: of its policy.
        keys: public keys of its machines, by their addresses.
    """

    id: str
    name: str
    version: int
    policy: Policy
    keys: Mapping[IPv4Address, str]


def of_token(api: Api) -> Organization:
    """Reads the organization that a token belongs to from the API.

    Raises:
        ApiError: the service refused a call.
    """
    organization = api.call("GET", "/organization").body
    return _organization(organization, api.call("GET", "/policy").body, _machines(api))


def of_operator(run: Command, chosen: str | None = None) -> list[Organization]:
    """Reads all organizations that are enforced by the operator's command.

    Args:
        chosen: id or name of the only one to be asked for.

    Raises:
        Unavailable: the command failed, or the one is suspended.
    """
    only = [] if chosen is None else ["--organization", chosen]
    listed = json.loads(run([sys.executable, "-m", "appliance", "admin", "policies", *only]))["organizations"]
    enforced = [each for each in listed if each["suspended_at"] is None]
    if chosen is not None and not enforced:
        raise Unavailable(f"The organization {chosen!r} is suspended: nothing of it is in force.")
    return [_organization(each, each["policy"], each["machines"]) for each in enforced]


def _organization(
    organization: Mapping[str, Any], policy: Mapping[str, Any], listing: Iterable[Mapping[str, Any]]
) -> Organization:
    listed = list(listing)
    machines = tuple(Machine(each["id"], IPv4Address(each["address"]), frozenset(each["groups"])) for each in listed)
    try:
        of_policy = Policy(IPv4Network(organization["network"]), machines, policy["default"], policy["rules"])
    except Unmodelled as error:
        raise Unavailable(f"{error} of the organization {organization['name']!r}.") from error
    keys = {IPv4Address(each["address"]): each["public_key"] for each in listed}
    return Organization(organization["id"], organization["name"], policy["version"], of_policy, keys)


def digest(policy: Policy) -> str:
    """SHA-256 of what a policy says."""
    content = {
        "network": str(policy.network),
        "machines": [[each.id, str(each.address), sorted(each.groups)] for each in policy.machines],
        "default": policy.default,
        "rules": [
            [
                rule["action"],
                rule["source"],
                rule["destination"],
                rule.get("protocol", "any"),
                rule.get("ports") or "all",
            ]
            for rule in policy.rules
        ],
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _machines(api: Api) -> Iterator[Mapping[str, Any]]:
    """The enabled machines: a disabled one is no peer, so it has no address that a packet could come from."""
    after = ""
    while True:
        page = api.call("GET", f"/machines{after}").body
        yield from (each for each in page["machines"] if each["enabled"])
        if page["next"] is None:
            return
        after = f"?after={quote(page['next'])}"
