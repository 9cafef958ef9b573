"""Sabotages of the data plane."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network

from appliance.hub.findings import Damage
from appliance.hub.kernel import routing
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.enforcement import LastCheck, no_check
from appliance.hub.plane.reconcile import Reconciler
from appliance.model.desired import Desired, Peer
from appliance.model.policy import Policy
from harness.sabotage.rules import change_statements

_apply = DataPlane.apply
_kernel_names = Names.of
_mend = routing.mend
_change = Reconciler.change


def keep_peers_from_the_link() -> None:
    """Makes rules and routes, but no peers."""

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        _apply(self, replace(desired, peers=()), last_check)

    DataPlane.apply = apply  # type: ignore[method-assign]


def know_every_organization_s_keys() -> None:
    """Adds the machines of all organizations as peers to each link, at addresses that no machine has."""
    known: dict[str, tuple[Peer, ...]] = {}

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        others = [
            peer for organization, peers in known.items() if organization != desired.organization for peer in peers
        ]
        # A change is computed from the enforced state, which has the other organizations' peers already.
        foreign = {peer.public_key for peer in others}
        own = tuple(peer for peer in desired.peers if peer.public_key not in foreign)
        known[desired.organization] = own
        last = desired.network.broadcast_address
        strangers = tuple(replace(peer, address=last - number) for number, peer in enumerate(others, start=1))
        _apply(self, replace(desired, peers=own + strangers), last_check)

    DataPlane.apply = apply  # type: ignore[method-assign]


def answer_before_enforcing() -> None:
    """Enforces changes of an existing organization 150 ms after the answer."""
    known: set[str] = set()

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        if desired.organization in known:
            threading.Timer(0.15, _apply, (self, desired)).start()
        else:
            known.add(desired.organization)
            _apply(self, desired, last_check)

    DataPlane.apply = apply  # type: ignore[method-assign]


def add_every_peer_anew() -> None:
    """Replaces all peers when one is removed, which ends their sessions, and calls none of them back."""

    def change(self: Reconciler, before: Desired, after: Desired, last_check: LastCheck = no_check) -> None:
        # Additions stay correct, since the scenario's own machines have to connect.
        if len(after.peers) < len(before.peers):
            _change(self, before, replace(before, peers=()))
            before = replace(before, peers=())
        _change(self, before, after, last_check)

    def last_endpoints(self: Reconciler, organization: str, peers: Iterable[Peer]) -> dict[str, str]:
        del self, organization, peers
        return {}

    Reconciler.change = change  # type: ignore[method-assign]
    Reconciler.last_endpoints = last_endpoints  # type: ignore[method-assign]


def share_a_namespace_by_range() -> None:
    """Names the namespace by the address range in place of the organization, and drops the link from the rules.

    Each organization has its own link there. Healing of routes and foreign links is turned off, since organizations
    would remove each other's; the last organization's route stays.
    """
    ranges: dict[str, str] = {}
    mended: set[str] = set()

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        ranges[desired.organization] = str(int(desired.network.network_address))
        _apply(self, desired, last_check)

    def of(self: Names, organization: str) -> KernelNames:
        own = _kernel_names(self, organization)
        return KernelNames(namespace=self.prefix + ranges.get(organization, organization), link=own.link)

    def on_any_link(text: str) -> str | None:
        return None if "ifname !=" in text else re.sub('[io]ifname "[^"]*" ', "", text)

    def mend(names: KernelNames, network: IPv4Network) -> tuple[Damage, ...]:
        if names.link in mended:
            return ()
        mended.add(names.link)
        return _mend(names, network)

    def remove_no_strangers(names: KernelNames) -> tuple[Damage, ...]:
        del names
        return ()

    DataPlane.apply = apply  # type: ignore[method-assign]
    Names.of = of  # type: ignore[method-assign]
    change_statements(on_any_link)
    routing.mend = mend
    routing.remove_strangers = remove_no_strangers


def share_the_default_by_range() -> None:
    """Gives organizations with the same range the default that one of them saves."""
    known: dict[str, Desired] = {}

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        before = known.get(desired.organization, desired)
        _apply(self, desired, last_check)
        known[desired.organization] = desired
        if before.policy.default == desired.policy.default:
            return
        for organization in self.organizations():
            other = known.get(organization, desired)
            if other.organization != desired.organization and other.network == desired.network:
                _apply(self, replace(other, policy=Policy(desired.policy.default, other.policy.rules)))

    DataPlane.apply = apply  # type: ignore[method-assign]
