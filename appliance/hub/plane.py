"""The data plane of one instance: makes the kernel what the store says, one organization at a time."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from appliance.hub import census, links, namespace, ruleset
from appliance.hub.census import Footprint
from appliance.hub.errors import HubError, RulesetError
from appliance.hub.names import Names, Places
from appliance.hub.nft import Rulesets
from appliance.hub.wireguard import Backend
from appliance.model.desired import Desired, PeerStatus

log = structlog.get_logger()


class DataPlane:
    """Applies desired states. Calls for different organizations run side by side; for one, one after the other.

    Args:
        names: what this instance's things are called.
        backend: the WireGuard implementation.
        open_key: gives the hub's private key for an organization, in base64.
    """

    def __init__(self, names: Names, backend: Backend, open_key: Callable[[Desired], str]) -> None:
        self._names = names
        self._backend = backend
        self._open_key = open_key
        self._applied: dict[str, Desired] = {}
        self._rulesets = Rulesets()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @property
    def backend(self) -> Backend:
        """The WireGuard implementation in use."""
        return self._backend

    def apply(self, desired: Desired) -> None:
        """Makes this organization's part of the kernel what it should be. It is enforced when this returns.

        Raises:
            HubError: it could not be; what was there before stands.
        """
        with self._locks[desired.organization]:
            before = self._applied.get(desired.organization)
            try:
                if before is None or _other_link(before, desired):
                    self._build(desired)
                else:
                    self._change(before, desired)
            except HubError:
                self._undo(before, desired.organization)
                raise
            self._applied[desired.organization] = desired

    def remove(self, organization: str) -> None:
        """Nothing of the organization is left on the host when this returns. None there is fine.

        Raises:
            HubError: something could not be removed.
        """
        with self._locks[organization]:
            places = self._names.places(organization)
            self._clear(places)
            self._applied.pop(organization, None)

    def peers(self, organization: str) -> Sequence[PeerStatus]:
        """What WireGuard knows of the organization's machines; nothing if it has no link."""
        with self._locks[organization]:
            places = self._names.places(organization)
            return self._backend.peers(places) if namespace.exists(places.namespace) else ()

    def organizations(self) -> tuple[str, ...]:
        """The organizations that are enforced now."""
        return tuple(self._applied)

    def present(self) -> tuple[str, ...]:
        """The organizations of which anything exists on the host."""
        return tuple(sorted(census.look(self._names).organizations))

    def census(self) -> tuple[Footprint, ...]:
        """Everything of this instance that exists on the host, organization by organization."""
        return census.take(self._names)

    def _build(self, desired: Desired) -> None:
        """Adopts what is there and right, and makes the rest. Rules come before peers: nothing passes unjudged."""
        places = self._names.places(desired.organization)
        private_key = self._open_key(desired)
        if not namespace.exists(places.namespace):
            self._clear(places)
            namespace.create(places.namespace)
        adopted = self._backend.is_ready(places, private_key, desired.port)
        if not adopted:
            self._backend.remove(places)
            self._backend.create(places, private_key, desired.port)
        self._judge(places, desired, fresh=not adopted)
        links.configure(places, desired.network)
        present = self._backend.allowed(places)
        self._backend.change(
            places,
            add=[peer for peer in desired.peers if present.get(peer.public_key) != (f"{peer.address}/32",)],
            remove=set(present) - {peer.public_key for peer in desired.peers},
        )
        log.info("organization enforced", organization=desired.organization, adopted=adopted)

    def _change(self, before: Desired, after: Desired) -> None:
        """Only the difference: who leaves goes first, who comes in is let in last."""
        places = self._names.places(after.organization)
        had = {peer.public_key: peer.address for peer in before.peers}
        wants = {peer.public_key: peer.address for peer in after.peers}
        # A key that moves to another address leaves its old one before the rules speak of the new.
        leaving = [key for key, address in had.items() if wants.get(key) != address]
        if leaving:
            self._backend.change(places, add=(), remove=leaving)
        if (text := ruleset.verdicts(after)) != ruleset.verdicts(before):
            self._rulesets.load(places.namespace, text)
        coming = [peer for peer in after.peers if had.get(peer.public_key) != peer.address]
        if coming:
            self._backend.change(places, add=coming, remove=())

    def _judge(self, places: Places, desired: Desired, *, fresh: bool) -> None:
        if not fresh:
            # Replacing the base chains would drop what passes meanwhile; the verdicts alone are swapped in place.
            with suppress(RulesetError):
                self._rulesets.load(places.namespace, ruleset.verdicts(desired))
                return
        self._rulesets.load(places.namespace, ruleset.foundation(desired, places.link) + ruleset.verdicts(desired))

    def _clear(self, places: Places) -> None:
        self._backend.remove(places)
        self._rulesets.forget(places.namespace)
        namespace.remove(places.namespace)

    def _undo(self, before: Desired | None, organization: str) -> None:
        places = self._names.places(organization)
        try:
            if before is None:
                self._clear(places)
            else:
                self._build(before)
        except HubError as error:
            # Whatever is left half done has no mark or no route, so it denies; the next apply builds it anew.
            self._applied.pop(organization, None)
            log.error("a change could not be undone", organization=organization, error=str(error))


def _other_link(before: Desired, after: Desired) -> bool:
    return (before.network, before.port, before.hub_public_key) != (after.network, after.port, after.hub_public_key)
