"""Data plane of one instance: applies, heals and reads the organizations' parts of the kernel."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address

import structlog

from appliance.host.clocks import HOST, HostClocks
from appliance.hub.errors import GivenUp, HubError
from appliance.hub.findings import Damage, Repair
from appliance.hub.host_objects import HostObjects
from appliance.hub.kernel import namespace, tracking
from appliance.hub.kernel.events import NamespaceEvent, Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane import census
from appliance.hub.plane.endpoints import to_remember
from appliance.hub.plane.enforcement import LastCheck, no_check
from appliance.hub.plane.organization_locks import OrganizationLocks
from appliance.hub.plane.reconcile import Reconciler
from appliance.hub.plane.wanted_states import WantedStates
from appliance.hub.ruleset import FullMachines
from appliance.hub.wireguard import Backend
from appliance.hub.wireguard.handshakes import Handshakes
from appliance.model.desired import Desired, PeerStatus, RuleCount

log = structlog.get_logger()

_MOST_LOOKS = 5
_READING_WAITS_S = 1.0
HEALING_WAITS_S = 0.02
"""Longest wait of a thread that looks after all organizations for a change of one; seconds."""


class DataPlane:
    """Applies desired states. Calls for one organization are serialized; those for different ones run in parallel.

    Args:
        names: names of this instance's kernel objects.
        backend: WireGuard implementation.
        open_key: returns the hub's private key for an organization, in base64.
        ledger: expected generations of the namespaces' rules.
        watcher: watches each organization's namespace; its events should lead to `heal`.
        clocks: clocks of the host.

    Attributes:
        wanted_states: desired states of all organizations.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        open_key: Callable[[Desired], str],
        ledger: Ledger,
        watcher: Watcher,
        clocks: HostClocks = HOST,
    ) -> None:
        self._names = names
        self._backend = backend
        self._endpoints: dict[str, Mapping[str, str]] = {}
        self._handshakes = Handshakes(clocks)
        self._reconciler = Reconciler(
            names, backend, open_key, ledger, watcher, lambda each: self._endpoints.get(each, {})
        )
        self._connection_counts = tracking.ConnectionCounts()
        self.wanted_states = WantedStates()
        self._whole: set[str] = set()
        self._locks = OrganizationLocks()

    @property
    def backend(self) -> Backend:
        return self._backend

    def apply(self, desired: Desired, last_check: LastCheck = no_check) -> None:
        """Enforce this state; it is in force when this returns.

        Args:
            last_check: called at the last moment before it takes effect.

        Raises:
            HubError: it failed; the previous state stays in force.
        """
        organization = desired.organization
        with self._locks.holding(organization):
            before = self.wanted_states.get(organization)
            try:
                self._change(before, desired, last_check)
            except HubError:
                self._undo(before, organization)
                raise
            self.wanted_states.keep(desired)
            self._whole.add(organization)

    def expect_machines(self, organization: str, endpoints: Mapping[str, str]) -> None:
        """Remember the last endpoints of the machines of an organization that has no state yet, by public key."""
        with self._locks.holding(organization):
            if organization not in self.wanted_states:
                self._endpoints[organization] = endpoints

    def turn_to_machines(self, organization: str, endpoints: Mapping[str, str]) -> None:
        """Begin handshakes with the machines of an organization that was prepared without their endpoints."""
        with self._locks.holding(organization):
            if (desired := self.wanted_states.get(organization)) is not None:
                self._endpoints[organization] = {**endpoints, **self._endpoints.get(organization, {})}
                self._reconciler.turn_to_machines(desired)

    def restore(self, desired: Desired, endpoints: Mapping[str, str]) -> None:
        """Enforce a state that the store has already, unless a newer one was applied.

        If it fails, the organization stays denied, and `heal` tries again.

        Args:
            endpoints: last endpoints of the machines, by public key.
        """
        organization = desired.organization
        with self._locks.holding(organization):
            if organization in self.wanted_states:
                # A save since the store was read is newer.
                return
            self.wanted_states.keep(desired)
            self._endpoints[organization] = endpoints
            self._reconciler.make_whole(desired)
            self._whole.add(organization)
        log.info("organization enforced", organization=organization)

    def heal(self, organization: str, event: NamespaceEvent = NamespaceEvent.ANYTHING) -> Repair | None:
        """Check the organization's part of the kernel, and repair it until no damage is found.

        Returns:
            The repair; None if there was no damage.

        Raises:
            Occupied: a change is in progress; threads that heal others must not wait for it.
            HubError: it can't be repaired now.
        """
        start = time.monotonic()
        with self._locks.holding(organization, HEALING_WAITS_S):
            desired = self.wanted_states.get(organization)
            if desired is None:
                return None
            found: list[Damage] = []
            try:
                for _ in range(_MOST_LOOKS):
                    look = (
                        self._reconciler.enforce_rules if event is NamespaceEvent.RULES else self._reconciler.make_whole
                    )
                    amiss = look(desired)
                    found += amiss
                    if not amiss:
                        break
            except Exception:
                self._whole.discard(organization)
                raise
            self._whole.add(organization)
        return Repair(organization, time.time(), time.monotonic() - start, tuple(found)) if found else None

    def close_idle(self) -> None:
        """Close what was kept open for further changes that did not come."""
        self._reconciler.close_idle()

    def remove(self, organization: str) -> None:
        """Remove everything of the organization from the host, if there is anything.

        Raises:
            HubError: something could not be removed.
        """
        with self._locks.holding(organization):
            self._reconciler.clear(organization)
            self.wanted_states.drop(organization)
            self._endpoints.pop(organization, None)
            self._handshakes.forget(organization)
            self._whole.discard(organization)

    def peers(self, organization: str, patience_s: float = _READING_WAITS_S) -> Sequence[PeerStatus]:
        """Read the status of the organization's machines from WireGuard; empty without a link.

        Args:
            patience_s: longest wait for a change in progress; seconds.

        Raises:
            Occupied: the change takes longer.
            HubError: the link can't be read.
        """
        with self._locks.holding(organization, patience_s):
            names = self._names.of(organization)
            if not namespace.exists(names.namespace):
                # It may be no organization at all, of which nothing is to be remembered.
                return ()
            return self._handshakes.dated(organization, self._backend.peers(names))

    def heard(self) -> dict[str, float]:
        """Times of the organizations' latest handshakes when they were read last; seconds since the epoch."""
        return self._handshakes.latest()

    def counters(self, organization: str) -> Sequence[RuleCount]:
        """Read the counter of each rule of the organization; empty without a namespace."""
        if not namespace.exists(self._names.of(organization).namespace):
            return ()
        counts = self._reconciler.counters(organization)
        return [RuleCount(rule, count.packets, count.bytes) for rule, count in counts.items()]

    def tracked(self) -> Mapping[str, int]:
        """Count the tracked connections of each organization. Only one thread at a time may call this."""
        named = {organization: self._names.of(organization).namespace for organization in self.organizations()}
        self._connection_counts.forget(*self._connection_counts.names().difference(named.values()))
        return {organization: self._connection_counts.count(name) for organization, name in named.items()}

    def openers(self, organization: str) -> Mapping[IPv4Address, int]:
        """Count the connections that each of the organization's machines has opened, by address.

        Raises:
            HubError: the kernel did not answer, or a change is in progress.
        """
        with self._locks.holding(organization, HEALING_WAITS_S):
            return self._reconciler.openers(organization)

    def refuse(self, organization: str, full: FullMachines) -> None:
        """Refuse new connections of these machines, and only these, until the next call.

        Raises:
            HubError: it can't be changed now. It has to be asked for again.
        """
        with self._locks.holding(organization, HEALING_WAITS_S):
            if organization in self.wanted_states:
                self._reconciler.refuse(organization, full)

    def refused(self, organization: str) -> Mapping[str, int]:
        """Packets of new connections that bounds and paces have dropped, by counter.

        Raises:
            HubError: the kernel did not answer, or a change is in progress.
        """
        with self._locks.holding(organization, HEALING_WAITS_S):
            return self._reconciler.refused(organization)

    def call_machines(self, organization: str, misled_until: float) -> None:
        """Send a packet to every machine that was heard from.

        Args:
            misled_until: time of the front door's repair, before which machines may have learned a wrong port;
                monotonic seconds.

        Raises:
            Occupied: a change is in progress.
            HubError: the link can't be read.
        """
        with self._locks.holding(organization, HEALING_WAITS_S):
            desired = self.wanted_states.get(organization)
            if desired is not None:
                self._reconciler.call_machines(desired, misled_until)

    def note_endpoints(self, organization: str, patience_s: float = HEALING_WAITS_S) -> Mapping[str, str] | None:
        """Remember the last endpoints of the machines, for a later rebuild of their link.

        Args:
            patience_s: longest wait for a change or a check in progress; seconds.

        Returns:
            Endpoints of the enabled machines by public key; None if the organization has no state.

        Raises:
            Occupied: the change takes longer.
            HubError: the link can't be read.
        """
        known = self._endpoints.get(organization, {})
        heard = {
            status.public_key: status.endpoint for status in self.peers(organization, patience_s) if status.endpoint
        }
        wanted = self.wanted_states.get(organization)
        if wanted is None:
            return None
        now = to_remember({**known, **heard}, {peer.public_key for peer in wanted.peers})
        self._endpoints[organization] = now
        return {peer.public_key: now[peer.public_key] for peer in wanted.peers if peer.public_key in now}

    def endpoints(self) -> dict[str, Mapping[str, str]]:
        """Last endpoints of machines, by organization and public key."""
        return dict(self._endpoints)

    def wanted(self) -> tuple[str, ...]:
        """Ids of the organizations with a desired state."""
        return self.wanted_states.names()

    def state(self, organization: str) -> Desired | None:
        """Desired state of this organization; None if it has none."""
        return self.wanted_states.get(organization)

    def states(self) -> dict[str, Desired]:
        """Desired states by organization."""
        return self.wanted_states.all()

    def organizations(self) -> tuple[str, ...]:
        """Ids of the organizations that are enforced now."""
        return tuple(self._whole)

    def present(self) -> tuple[str, ...]:
        """Ids of the organizations that have anything on the host."""
        return tuple(sorted(census.look(self._names).organizations))

    def census(self) -> tuple[HostObjects, ...]:
        """Objects on the host, by organization."""
        return census.take(self._names)

    def _change(self, before: Desired | None, after: Desired, last_check: LastCheck) -> None:
        if before is not None and after.organization in self._whole and not _other_link(before, after):
            try:
                self._reconciler.change(before, after, last_check)
            except GivenUp:
                raise
            except HubError as error:
                # Either what the hub believes of the kernel is wrong, or somebody has damaged it.
                log.error(
                    "a change failed; the namespace is made whole", organization=after.organization, error=str(error)
                )
            else:
                return
        last_check()
        self._reconciler.make_whole(after)

    def _undo(self, before: Desired | None, organization: str) -> None:
        try:
            if before is None:
                self._endpoints.pop(organization, None)
                self._reconciler.clear(organization)
            else:
                self._reconciler.make_whole(before)
        except HubError as error:
            # An incomplete state has no mark or no route, so it denies; healing goes on.
            self._whole.discard(organization)
            log.error("a change could not be undone", organization=organization, error=str(error))


def _other_link(before: Desired, after: Desired) -> bool:
    return (before.network, before.port, before.hub_public_key) != (after.network, after.port, after.hub_public_key)
