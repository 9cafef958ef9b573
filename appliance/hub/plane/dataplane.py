"""The data plane of one instance: keeps the kernel what the store says, one organization at a time."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address

import structlog

from appliance.hub.errors import GivenUp, HubError, Occupied
from appliance.hub.findings import Finding, Repair
from appliance.hub.kernel import namespace, tracking
from appliance.hub.kernel.events import Event, Watcher
from appliance.hub.kernel.generation import Ledger
from appliance.hub.names import Names
from appliance.hub.plane import census
from appliance.hub.plane.reconcile import Reconciler
from appliance.hub.rpc.callers import Hook, go_on
from appliance.hub.rpc.footprint import Footprint
from appliance.hub.ruleset import Full
from appliance.hub.wireguard import Backend
from appliance.hub.wireguard.handshakes import Handshakes
from appliance.model.desired import Desired, PeerStatus, RuleCount

log = structlog.get_logger()

_MOST_LOOKS = 5
_HEALING_WAITS_S = 0.02
_READING_WAITS_S = 1.0
_MOST_DISABLED = 1_000
"""Disabled machines of one organization whose endpoints are remembered."""


class DataPlane:
    """Applies desired states. Calls for different organizations run side by side; for one, one after the other.

    Args:
        names: what this instance's things are called.
        backend: the WireGuard implementation.
        open_key: gives the hub's private key for an organization, in base64.
        ledger: which generation of its rules each namespace should have.
        watcher: is given each organization's namespace to watch; who hears of changes there calls `heal`.
    """

    def __init__(
        self,
        names: Names,
        backend: Backend,
        open_key: Callable[[Desired], str],
        ledger: Ledger,
        watcher: Watcher,
    ) -> None:
        self._names = names
        self._backend = backend
        self._endpoints: dict[str, Mapping[str, str]] = {}
        self._handshakes = Handshakes()
        self._reconciler = Reconciler(
            names, backend, open_key, ledger, watcher, lambda each: self._endpoints.get(each, {})
        )
        self._fill = tracking.Fill()
        self._wanted: dict[str, Desired] = {}
        self._whole: set[str] = set()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @property
    def backend(self) -> Backend:
        """The WireGuard implementation in use."""
        return self._backend

    def apply(self, desired: Desired, hook: Hook = go_on) -> None:
        """Makes this organization's part of the kernel what it should be. It is enforced when this returns.

        Args:
            hook: called at the last moment before it takes effect.

        Raises:
            HubError: it could not be; what was there before stands.
        """
        organization = desired.organization
        with self._locks[organization]:
            before = self._wanted.get(organization)
            try:
                self._change(before, desired, hook)
            except HubError:
                self._undo(before, organization)
                raise
            self._wanted[organization] = desired
            self._whole.add(organization)

    def restore(self, desired: Desired, endpoints: Mapping[str, str]) -> None:
        """As `apply`, for what the store has already. What can't be made now stays denied, and `heal` tries again.

        Args:
            endpoints: where the machines were heard from last, by public key.
        """
        organization = desired.organization
        with self._locks[organization]:
            if organization in self._wanted:
                # Someone saved since the store was read, and that is newer.
                return
            self._wanted[organization] = desired
            self._endpoints[organization] = endpoints
            self._reconciler.make_whole(desired)
            self._whole.add(organization)
        log.info("organization enforced", organization=organization)

    def heal(self, organization: str, event: Event = Event.ANYTHING) -> Repair | None:
        """Looks whether the organization's part of the kernel is as it should be, and mends it until it is.

        Returns:
            What was mended; None where all was well.

        Raises:
            Occupied: a change takes its time; threads that heal others must not wait for it.
            HubError: it can't be mended now.
        """
        start = time.monotonic()
        with self._holding(organization, _HEALING_WAITS_S):
            desired = self._wanted.get(organization)
            if desired is None:
                return None
            found: list[Finding] = []
            try:
                for _ in range(_MOST_LOOKS):
                    look = self._reconciler.judge_anew if event is Event.RULES else self._reconciler.make_whole
                    amiss = look(desired)
                    found += amiss
                    if not amiss:
                        break
            except HubError:
                self._whole.discard(organization)
                raise
            self._whole.add(organization)
        return Repair(organization, time.time(), time.monotonic() - start, tuple(found)) if found else None

    def remove(self, organization: str) -> None:
        """Nothing of the organization is left on the host when this returns. None there is fine.

        Raises:
            HubError: something could not be removed.
        """
        with self._locks[organization]:
            self._reconciler.clear(organization)
            self._wanted.pop(organization, None)
            self._endpoints.pop(organization, None)
            self._handshakes.forget(organization)
            self._whole.discard(organization)

    def peers(self, organization: str, patience_s: float = _READING_WAITS_S) -> Sequence[PeerStatus]:
        """What WireGuard knows of the organization's machines; nothing if it has no link.

        Args:
            patience_s: how long to wait for a change that is under way; seconds.

        Raises:
            Occupied: the change takes longer.
            HubError: the link can't be asked.
        """
        with self._holding(organization, patience_s):
            names = self._names.of(organization)
            found = self._backend.peers(names) if namespace.exists(names.namespace) else ()
            return self._handshakes.dated(organization, found)

    def counters(self, organization: str) -> Sequence[RuleCount]:
        """What the kernel counted for each rule of the organization; nothing if it has no namespace."""
        if not namespace.exists(self._names.of(organization).namespace):
            return ()
        counts = self._reconciler.counters(organization)
        return [RuleCount(rule, count.packets, count.bytes) for rule, count in counts.items()]

    def tracked(self) -> Mapping[str, int]:
        """How many connections each organization has. One thread at a time asks."""
        named = {organization: self._names.of(organization).namespace for organization in self.organizations()}
        self._fill.forget(*self._fill.names().difference(named.values()))
        return {organization: self._fill.count(name) for organization, name in named.items()}

    def openers(self, organization: str) -> Mapping[IPv4Address, int]:
        """How many connections each of the organization's machines has opened, by address.

        Raises:
            HubError: the kernel did not tell, or a change takes its time.
        """
        with self._holding(organization, _HEALING_WAITS_S):
            return self._reconciler.openers(organization)

    def refuse(self, organization: str, full: Full) -> None:
        """From now on, these machines open no new connection; it stays so until it is said otherwise.

        Raises:
            HubError: it can't be changed now. What is healed has it.
        """
        with self._holding(organization, _HEALING_WAITS_S):
            if organization in self._wanted:
                self._reconciler.refuse(organization, full)

    def refused(self, organization: str) -> Mapping[str, int]:
        """Packets of new connections that bounds and paces have dropped, by counter. Raises as `openers`."""
        with self._holding(organization, _HEALING_WAITS_S):
            return self._reconciler.refused(organization)

    def call_machines(self, organization: str, misled_until: float) -> None:
        """Sends something to every machine that was heard from.

        Args:
            misled_until: when the front door was put right, which may have led machines astray; monotonic seconds.

        Raises:
            Occupied: a change takes its time.
            HubError: the link can't be asked.
        """
        with self._holding(organization, _HEALING_WAITS_S):
            desired = self._wanted.get(organization)
            if desired is not None:
                self._reconciler.call_machines(desired, misled_until)

    def note_endpoints(self, organization: str) -> Mapping[str, str] | None:
        """Remembers where the machines were heard from last, for the day on which their link has to be rebuilt.

        Returns:
            By public key; None if nothing has changed.

        Raises:
            HubError: the link can't be asked.
        """
        known = self._endpoints.get(organization, {})
        heard = {
            status.public_key: status.endpoint
            for status in self.peers(organization, _HEALING_WAITS_S)
            if status.endpoint
        }
        wanted = self._wanted.get(organization)
        if wanted is None:
            return None
        now = _of_machines({**known, **heard}, {peer.public_key for peer in wanted.peers})
        if now == known:
            return None
        self._endpoints[organization] = now
        return now

    def endpoints(self) -> dict[str, Mapping[str, str]]:
        """Where machines were heard from last, by organization and public key."""
        return dict(self._endpoints)

    def wanted(self) -> tuple[str, ...]:
        """The organizations that there should be."""
        return tuple(self._wanted)

    def state(self, organization: str) -> Desired | None:
        """How this organization should be; None where there should be nothing of it."""
        return self._wanted.get(organization)

    def states(self) -> dict[str, Desired]:
        """The organizations that there should be, and how."""
        return dict(self._wanted)

    def organizations(self) -> tuple[str, ...]:
        """The organizations that are enforced now."""
        return tuple(self._whole)

    def present(self) -> tuple[str, ...]:
        """The organizations of which anything exists on the host."""
        return tuple(sorted(census.look(self._names).organizations))

    def census(self) -> tuple[Footprint, ...]:
        """Everything of this instance that exists on the host, organization by organization."""
        return census.take(self._names)

    @contextmanager
    def _holding(self, organization: str, patience_s: float) -> Iterator[None]:
        lock = self._locks[organization]
        if not lock.acquire(timeout=patience_s):
            raise Occupied("the organization is being changed")
        try:
            yield
        finally:
            lock.release()

    def _change(self, before: Desired | None, after: Desired, hook: Hook) -> None:
        if before is not None and after.organization in self._whole and not _other_link(before, after):
            try:
                self._reconciler.change(before, after, hook)
            except GivenUp:
                raise
            except HubError as error:
                log.warning("a change met damage", organization=after.organization, error=str(error))
            else:
                return
        hook()
        self._reconciler.make_whole(after)

    def _undo(self, before: Desired | None, organization: str) -> None:
        try:
            if before is None:
                self._reconciler.clear(organization)
            else:
                self._reconciler.make_whole(before)
        except HubError as error:
            # Whatever is left half done has no mark or no route, so it denies; healing goes on.
            self._whole.discard(organization)
            log.error("a change could not be undone", organization=organization, error=str(error))


def _other_link(before: Desired, after: Desired) -> bool:
    return (before.network, before.port, before.hub_public_key) != (after.network, after.port, after.hub_public_key)


def _of_machines(endpoints: Mapping[str, str], enabled: Collection[str]) -> dict[str, str]:
    """Endpoints by key that are worth remembering: of these machines, and the latest of others, which may be disabled.

    Keys that no machine has any more are among the others, and rotations would fill the memory.
    """
    others = [key for key in endpoints if key not in enabled]
    forgotten = set(others[:-_MOST_DISABLED])
    return {key: where for key, where in endpoints.items() if key not in forgotten}
