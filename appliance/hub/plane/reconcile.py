"""Reconciliation of one organization's part of the kernel with its desired state.

The same code builds a new part, adopts one of an earlier process, and repairs a damaged one. Rules come before
everything that could let a packet through, and peers come last, so that nothing that the policy denies passes in
between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from ipaddress import IPv4Address, IPv4Interface

from appliance.hub.errors import LinkError
from appliance.hub.findings import Damage, DamagedPart
from appliance.hub.kernel import namespace, nft, routing, tracking
from appliance.hub.kernel.events import Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.names import KernelNames, Names
from appliance.hub.plane.enforcement import Enforcement, LastCheck, no_check
from appliance.hub.ruleset import FULL, PACED, Count, FullMachines, rule_of
from appliance.hub.wireguard import Allowed, Backend
from appliance.model.desired import Desired, Peer
from appliance.model.plural import counted

Endpoints = Callable[[str], Mapping[str, str]]

_UNANSWERED_S = 0.4
"""A handshake that has no answer for this long is begun anew by the next call."""


class Reconciler:
    """Changes the kernel. The caller serializes calls for one organization.

    Args:
        names: names of this instance's kernel objects.
        backend: WireGuard implementation.
        open_key: returns the hub's private key for an organization, in base64.
        ledger: expected generations of the namespaces' rules.
        watcher: watches the namespaces and processes.
        endpoints: returns the last endpoints of an organization's machines, by public key.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        open_key: Callable[[Desired], str],
        ledger: Ledger,
        watcher: Watcher,
        endpoints: Endpoints,
    ) -> None:
        self._names = names
        self._backend = backend
        self._open_key = open_key
        self._watcher = watcher
        self._endpoints = endpoints
        self._sockets = NetfilterSockets()
        self._rules = Enforcement(ledger, self._sockets, self._own_change)
        # By organization, the time when its handshakes were begun last; monotonic seconds.
        self._begun: dict[str, float] = {}

    def make_whole(self, desired: Desired) -> tuple[Damage, ...]:
        """Make the kernel have this state; return the damage found.

        Raises:
            HubError: a part can't be made. The incomplete state denies at least what the policy denies.
        """
        names = self._names.of(desired.organization)
        found = [*self._ensure_name(names, desired.organization)]
        found += self._rules.enforce(names, desired)
        found += routing.remove_strangers(names)
        rebuilt, present = self._ensure_link(names, desired)
        found += rebuilt
        found += routing.mend(names, desired.network)
        found += self.ensure_peers(names, desired, present)
        if any(finding.part in (DamagedPart.LINK, DamagedPart.PEER) for finding in found):
            self.turn_to_machines(desired)
        if rebuilt or self._watcher.namespace_of(desired.organization) is None:
            self._watcher.watch(desired.organization, names.namespace, self._backend.process(names))
        return tuple(found)

    def close_idle(self) -> None:
        """Close what was kept open for further changes that did not come."""
        self._rules.close_idle()

    def enforce_rules(self, desired: Desired) -> tuple[Damage, ...]:
        """Make the kernel have the rules of this state; return the damage found."""
        return self._rules.enforce(self._names.of(desired.organization), desired)

    def change(self, before: Desired, after: Desired, last_check: LastCheck = no_check) -> None:
        """Change a state in force to another one with the same link.

        Removed peers go first, then the rules change, and added peers come last.

        Args:
            last_check: called when all is prepared and nothing has taken effect.

        Raises:
            HubError: the kernel's state was changed by others, or the kernel refused.
        """
        names = self._names.of(after.organization)
        had = {peer.public_key: peer.address for peer in before.peers}
        wants = {peer.public_key: peer.address for peer in after.peers}
        # A key that moves to another address leaves its old one before the rules name the new one.
        leaving = [key for key, address in had.items() if wants.get(key) != address]

        def begin() -> None:
            last_check()
            if leaving:
                self._backend.change(names, add=(), remove=leaving)

        try:
            self._rules.update(names, after, begin)
        finally:
            # Neither the removed machine nor the next one with its address keeps the open connections.
            self._forget_connections(names, {had[key] for key in leaving})
        coming = [peer for peer in after.peers if had.get(peer.public_key) != peer.address]
        if coming:
            # A machine that was disabled for a while is called, because it may be silent for minutes.
            known = self.last_endpoints(after.organization, coming)
            self._backend.change(names, add=coming, remove=(), endpoints=known)
            self._start_handshakes(names, known)

    def turn_to_machines(self, desired: Desired) -> None:
        """Begin handshakes with the machines whose endpoints are known."""
        self._begun[desired.organization] = time.monotonic()
        known = self.last_endpoints(desired.organization, desired.peers)
        self._start_handshakes(self._names.of(desired.organization), known)

    def call_machines(self, desired: Desired, misled_until: float) -> None:
        """Send a packet to every machine, or a handshake if it had none on this link.

        WireGuard itself would wait for five seconds after one handshake before it begins another.

        Args:
            misled_until: handshakes that were begun later used the right port, and get `_UNANSWERED_S` for an
                answer; monotonic seconds.

        Raises:
            LinkError: the link can't be read.
        """
        names = self._names.of(desired.organization)
        begun, now = self._begun.get(desired.organization, -math.inf), time.monotonic()
        if begun <= misled_until or now - begun >= _UNANSWERED_S:
            self._begun[desired.organization] = now
            self._begin_anew(names, desired)
        self._backend.call(names)

    def clear(self, organization: str) -> None:
        """Remove everything of the organization from the host, if there is anything.

        Raises:
            HubError: something could not be removed.
        """
        names = self._names.of(organization)
        # An open descriptor would keep the namespace alive.
        self._watcher.forget(organization)
        self._backend.remove(names)
        self._rules.forget(names.namespace)
        self._begun.pop(organization, None)
        namespace.remove(names.namespace)

    def _own_change(self, name: str) -> AbstractContextManager[Callable[[], None]]:
        # What is no organization's is not watched under any name.
        return self._watcher.own_change(self._names.organization_of(name) or name)

    def _ensure_name(self, names: KernelNames, organization: str) -> tuple[Damage, ...]:
        watched = self._watcher.namespace_of(organization)
        if watched is not None:
            if namespace.leads_to(names.namespace, watched):
                return ()
            # The watcher's descriptor kept the namespace alive, so only the name has to be restored.
            namespace.rename(names.namespace, watched)
            return (Damage(DamagedPart.NAMESPACE, "the namespace had lost its name"),)
        if namespace.exists(names.namespace):
            return ()
        self.clear(organization)
        namespace.create(names.namespace)
        return (Damage(DamagedPart.NAMESPACE, "there was no namespace"),)

    def counters(self, organization: str) -> Mapping[str | None, Count]:
        """Read the counters of the organization's rules by rule id; None: the default.

        Raises:
            NamespaceError: it has no namespace.
        """
        counts = nft.counters(self._names.of(organization).namespace)
        return {rule_of(name): count for name, count in counts.items() if name not in (FULL, PACED)}

    def openers(self, organization: str) -> Mapping[IPv4Address, int]:
        """Count the connections that each address of the organization has opened.

        Raises:
            HubError: the kernel did not answer.
        """
        return tracking.count_by_opener(self._sockets, self._names.of(organization).namespace)

    def refuse(self, organization: str, full: FullMachines) -> None:
        """Refuse new connections of these machines, and only these, until the next call."""
        self._rules.refuse(self._names.of(organization), full)

    def refused(self, organization: str) -> Mapping[str, int]:
        """Packets of new connections that bounds and paces have dropped, by counter."""
        return self._rules.refused(self._names.of(organization))

    def _ensure_link(self, names: KernelNames, desired: Desired) -> tuple[tuple[Damage, ...], Allowed]:
        """Make the link exist; return the damage found, and the ranges of the peers that the link has."""
        present = self._backend.allowed(names, desired.hub_public_key, desired.port)
        if present is not None:
            return (), present
        # The name may have been given to another namespace since the check began: then the link is in ours, and has
        # the port that a new one would need.
        renamed = self._ensure_name(names, desired.organization)
        if renamed:
            present = self._backend.allowed(names, desired.hub_public_key, desired.port)
            if present is not None:
                return renamed, present
        private_key = self._open_key(desired)
        self._backend.remove(names)
        self._backend.create(names, private_key, desired.port)
        return (Damage(DamagedPart.LINK, "there was no link that worked"),), {}

    def ensure_peers(self, names: KernelNames, desired: Desired, present: Allowed) -> tuple[Damage, ...]:
        """Make the link have the machines of this state; return the damage found.

        Args:
            present: ranges of the peers that the link has.
        """
        wanted = {peer.public_key: (f"{peer.address}/32",) for peer in desired.peers}
        add = [peer for peer in desired.peers if present.get(peer.public_key) != wanted[peer.public_key]]
        remove = set(present) - set(wanted)
        if not add and not remove:
            return ()
        changed = {network for key, networks in present.items() if networks != wanted.get(key) for network in networks}
        known = self._endpoints(desired.organization)
        # The link itself knows better where its present peers are.
        endpoints = {key: known[key] for key in known if key not in present}
        self._backend.change(names, add=add, remove=remove, endpoints=endpoints)
        self._forget_connections(names, {IPv4Interface(each).ip for each in changed if ":" not in each})
        missing = counted(len(add), "machine was", "machines were")
        return (Damage(DamagedPart.PEER, f"{missing} missing, {len(remove)} did not belong here"),)

    def _forget_connections(self, names: KernelNames, addresses: Collection[IPv4Address]) -> None:
        if addresses:
            tracking.forget(self._sockets, names.namespace, addresses)

    def last_endpoints(self, organization: str, peers: Iterable[Peer]) -> dict[str, str]:
        """Last endpoints of these machines by public key; machines that were never heard from are missing."""
        keys = {peer.public_key for peer in peers}
        return {key: where for key, where in self._endpoints(organization).items() if key in keys}

    def _start_handshakes(self, names: KernelNames, endpoints: Mapping[str, str]) -> None:
        # Machines reconnect by themselves in the end, so an error here is no reason to undo the rest.
        with suppress(LinkError):
            self._backend.start_handshakes(names, endpoints)

    def _begin_anew(self, names: KernelNames, desired: Desired) -> None:
        """Begin handshakes with the machines that never completed one on this link.

        They have no session to lose. A peer that is removed and added again is sent a handshake at once.
        """
        known = self._endpoints(desired.organization)
        silent = {
            status.public_key: where
            for status in self._backend.peers(names)
            if not status.last_handshake and (where := status.endpoint or known.get(status.public_key))
        }
        peers = [peer for peer in desired.peers if peer.public_key in silent]
        if peers:
            keys = {peer.public_key: silent[peer.public_key] for peer in peers}
            self._backend.change(names, add=peers, remove=keys, endpoints=keys)
            self._backend.start_handshakes(names, keys)
