"""Checks of untrusted input to the hub: desired states and last endpoints.

The web process, and the store that it writes, are outside the hub's trust boundary. A state from there is refused,
before anything changes, unless each part of it is well-formed and belongs to the organization.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Network, ip_address

from appliance.hub.errors import HubError
from appliance.model.addresses import check_network, hub_address
from appliance.model.desired import Desired, Peer
from appliance.model.difference import between_policies
from appliance.model.errors import Invalid
from appliance.model.ids import ORGANIZATION_ID
from appliance.model.policy import Policy
from appliance.model.port_ranges import HIGHEST_PORT, PortRange
from appliance.model.ports import FIRST_PORT, LAST_PORT

_ORGANIZATION = re.compile(ORGANIZATION_ID)
_ID = re.compile(r"[a-z0-9]{1,32}")
# 32 bytes in their one canonical form: two bits of the last character are zero (RFC 4648, section 3.5).
_KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
_LONGEST_SEALED = 1024
_MOST_PEERS = 70_000
_MOST_RULES = 50_000
_LONGEST_NAME = 512


class Distrusted(HubError):
    """A state has an invalid part, or one that belongs to another organization; nothing was changed."""


def check_state(desired: Desired, states: Mapping[str, Desired], public_port: int) -> None:
    """Check that a state is valid, and takes nothing that belongs to another organization.

    Args:
        states: checked states of all organizations by id, this one's earlier state included.
        public_port: UDP port of the front door.

    Raises:
        Distrusted: names the first part that is wrong, in words for the log.
    """
    check_counts(desired)
    _expect(bool(_ORGANIZATION.fullmatch(desired.organization)), "the organization's id")
    _expect(FIRST_PORT <= desired.port <= LAST_PORT and desired.port != public_port, f"the port {desired.port}")
    before = states.get(desired.organization)
    if before is None or (before.port, before.hub_public_key) != (desired.port, desired.hub_public_key):
        _check_unused(desired, states.values())
    _expect(bool(_KEY.fullmatch(desired.hub_public_key)), "the hub's public key")
    _expect(max(len(desired.sealed_data_key), len(desired.sealed_private_key)) <= _LONGEST_SEALED, "a sealed key")
    if before is None or (before.peers, before.network) != (desired.peers, desired.network):
        _check_network(desired.network)
        check_peers(desired.peers, desired)
    _check_policy(desired.policy, Policy() if before is None else before.policy)


def check_counts(desired: Desired) -> None:
    """Check that a state has no more machines and rules than anything is computed of.

    Raises:
        Distrusted: it has more.
    """
    _expect(len(desired.peers) <= _MOST_PEERS, f"{len(desired.peers)} machines")
    _expect(len(desired.policy.rules) <= _MOST_RULES, f"{len(desired.policy.rules)} rules")


def _check_unused(desired: Desired, states: Iterable[Desired]) -> None:
    """Check that no other organization has this state's port or hub key."""
    for other in states:
        if other.organization == desired.organization:
            continue
        _expect(other.port != desired.port, f"the port {desired.port}, which is another organization's")
        _expect(other.hub_public_key != desired.hub_public_key, "a hub key that is another organization's")


def usable_endpoints(endpoints: Mapping[str, str]) -> dict[str, str]:
    """Select the endpoints that are an IP address and a port; links can't take the others.

    Args:
        endpoints: ``address:port`` by public key, an IPv6 address in brackets.
    """
    return {key: where for key, where in endpoints.items() if _KEY.fullmatch(key) and is_endpoint(where)}


def is_endpoint(text: str) -> bool:
    """Tell whether a text is ``address:port``, with an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= HIGHEST_PORT):
        return False
    try:
        version = ip_address(host.removeprefix("[").removesuffix("]")).version
    except ValueError:
        return False
    return (version == 6) == (host.startswith("[") and host.endswith("]"))


def _check_network(network: IPv4Network) -> None:
    try:
        check_network(str(network))
    except Invalid:
        raise _distrusted("the network") from None


def check_peers(peers: Collection[Peer], desired: Desired) -> None:
    """Check that machines are valid, lie in the network and share nothing.

    Raises:
        Distrusted: a part is wrong, or two machines have it.
    """
    machines = _machine_addresses(desired.network)
    for peer in peers:
        _expect(bool(_ID.fullmatch(peer.id)), "a machine's id")
        _expect(bool(_KEY.fullmatch(peer.public_key)), "a machine's public key")
        _expect(int(peer.address) in machines, f"a machine's address {peer.address}")
        _expect(all(0 < len(group) <= _LONGEST_NAME for group in peer.groups), "the name of a group")
    for what, found in (
        ("id", {peer.id for peer in peers}),
        ("address", {peer.address for peer in peers}),
        ("public key", {peer.public_key for peer in peers} - {desired.hub_public_key}),
    ):
        _expect(len(found) == len(peers), f"two machines with one {what}")


def _machine_addresses(network: IPv4Network) -> range:
    return range(int(hub_address(network)) + 1, int(network.broadcast_address))


def _check_policy(policy: Policy, checked: Policy) -> None:
    """Check the rules that the policy has and the checked one has not."""
    difference = between_policies(checked, policy)
    for rule in policy.rules if difference is None else difference[1]:
        _expect(bool(_ID.fullmatch(rule.id)), "a rule's id")
        _expect(all(map(_is_range, rule.ports)), "a rule's ports")
    _expect(len(policy.by_id) == len(policy.rules), "two rules with one id")


def _is_range(ports: PortRange) -> bool:
    return 1 <= ports.first <= ports.last <= HIGHEST_PORT


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise _distrusted(what)


def _distrusted(what: str) -> Distrusted:
    return Distrusted(f"the state can't be trusted: {what}")
