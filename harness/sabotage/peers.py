"""Sabotages of the machines that a hub's link knows."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from appliance.hub.findings import Damage
from appliance.hub.front_door.datagram import Arrival
from appliance.hub.front_door.demultiplexer import Demultiplexer
from appliance.hub.front_door.directory import Admitted
from appliance.hub.names import KernelNames
from appliance.hub.plane.enforcement import LastCheck, no_check
from appliance.hub.plane.reconcile import Reconciler
from appliance.hub.wireguard import Allowed
from appliance.model.desired import Desired, Peer
from harness.sabotage.parts import replace_part

_MEANWHILE_S = 0.03
_change = Reconciler.change
_ensure_peers = Reconciler.ensure_peers


def let_the_first_machine_send_for_all() -> None:
    """Lets an organization's first machine have every address of the range that no other machine has."""
    given: dict[str, tuple[Peer, ...]] = {}

    def widen(names: KernelNames, desired: Desired) -> None:
        given[desired.organization] = desired.peers
        for first in desired.peers[:1]:
            _allow(names, first.public_key, f"{first.address}/32,{desired.network}")

    def ensure_peers(self: Reconciler, names: KernelNames, desired: Desired, present: Allowed) -> tuple[Damage, ...]:
        if given.get(desired.organization) == desired.peers:
            return ()
        found = _ensure_peers(self, names, desired, present)
        widen(names, desired)
        return found

    def change(self: Reconciler, before: Desired, after: Desired, last_check: LastCheck = no_check) -> None:
        _change(self, before, after, last_check)
        widen(vars(self)["_names"].of(after.organization), after)

    Reconciler.ensure_peers = ensure_peers  # type: ignore[method-assign]
    Reconciler.change = change  # type: ignore[method-assign]


def remember_machines_as_given() -> None:
    """Does not add the machines again to a link that was replaced."""
    _check_what_was_given()


def leave_removed_machines_without_an_address() -> None:
    """Takes the address away from a removed machine, and leaves its key at the link."""
    _check_what_was_given()
    change_remembered = Reconciler.change

    def change(self: Reconciler, before: Desired, after: Desired, last_check: LastCheck = no_check) -> None:
        change_remembered(self, before, after, last_check)
        keys = {peer.public_key for peer in after.peers}
        for gone in before.peers:
            if gone.public_key not in keys:
                _allow(vars(self)["_names"].of(after.organization), gone.public_key, "")

    Reconciler.change = change  # type: ignore[method-assign]


def add_machines_anew_at_strange_initiations() -> None:
    """Adds the connected machines of an organization anew when an initiation comes from an unknown source, and calls
    them.

    WireGuard forgets with a machine which messages it has seen.
    """
    forward: Callable[[Demultiplexer, Arrival, Admitted, bool], None] = vars(Demultiplexer)["_forward"]
    known: dict[str, tuple[Reconciler, Desired]] = {}

    def change(self: Reconciler, before: Desired, after: Desired, last_check: LastCheck = no_check) -> None:
        _change(self, before, after, last_check)
        known[after.organization] = self, after

    def add_anew(reconciler: Reconciler, desired: Desired) -> None:
        backend, names = vars(reconciler)["_backend"], vars(reconciler)["_names"].of(desired.organization)
        endpoints = {each.public_key: each.endpoint for each in backend.peers(names) if each.last_handshake}
        peers = [peer for peer in desired.peers if peer.public_key in endpoints]
        backend.change(names, add=peers, remove=endpoints, endpoints=endpoints)
        backend.start_handshakes(names, endpoints)
        time.sleep(_MEANWHILE_S)

    def forward_late(self: Demultiplexer, arrival: Arrival, entry: Admitted, is_known: bool) -> None:
        if not is_known and entry.organization in known:
            add_anew(*known[entry.organization])
        forward(self, arrival, entry, is_known)

    replace_part(Demultiplexer, "_forward", forward_late)
    Reconciler.change = change  # type: ignore[method-assign]


def _check_what_was_given() -> None:
    """Takes the machines that a link was given last for those that it has."""
    given: dict[str, tuple[Peer, ...]] = {}

    def ensure_peers(self: Reconciler, names: KernelNames, desired: Desired, present: Allowed) -> tuple[Damage, ...]:
        if given.get(desired.organization) == desired.peers:
            return ()
        given[desired.organization] = desired.peers
        return _ensure_peers(self, names, desired, present)

    def change(self: Reconciler, before: Desired, after: Desired, last_check: LastCheck = no_check) -> None:
        _change(self, before, after, last_check)
        given[after.organization] = after.peers

    Reconciler.ensure_peers = ensure_peers  # type: ignore[method-assign]
    Reconciler.change = change  # type: ignore[method-assign]


def _allow(names: KernelNames, public_key: str, ranges: str) -> None:
    command = ("ip", "netns", "exec", names.namespace, "wg", "set", names.link, "peer", public_key, "allowed-ips")
    subprocess.run((*command, ranges), check=True)
