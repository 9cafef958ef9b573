"""Sabotages that only show after several changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from appliance.hub.names import KernelNames
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.enforcement import Enforcement, LastCheck, no_check
from appliance.hub.ruleset import ALLOWED_MARK
from appliance.hub.wireguard.boringtun import Boringtun
from appliance.hub.wireguard.kernel import Kernel
from appliance.hub.wireguard.userspace import Userspace
from appliance.model.desired import Desired, Peer
from appliance.model.policy import Policy
from harness.sabotage.rules import change_chain

_apply = DataPlane.apply
_update = Enforcement.update
_EVERY = 10


def lose_some_saves() -> None:
    """Records every tenth change of the rules as made without loading it, so that healing does not find it."""
    numbers = itertools.count(1)
    newest: dict[str, Desired] = {}
    lost: set[str] = set()

    def update(self: Enforcement, names: KernelNames, desired: Desired, last_check: LastCheck = no_check) -> None:
        name = names.namespace
        if newest.get(name) != desired:
            newest[name] = desired
            (lost.discard if next(numbers) % _EVERY else lost.add)(name)
        if name in lost:
            last_check()
        else:
            _update(self, names, desired, last_check)

    Enforcement.update = update  # type: ignore[method-assign]


def remember_verdicts_on_tcp() -> None:
    """Judges a TCP connection only when it is opened."""
    passing = f"meta l4proto tcp ct state established meta mark set {ALLOWED_MARK:#x} accept"
    change_chain("judge", lambda statements: (passing, *statements))


def keep_the_first_groups() -> None:
    """Keeps the groups that a machine was added with."""
    first: dict[str, frozenset[str]] = {}

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        peers = tuple(replace(peer, groups=first.setdefault(peer.id, peer.groups)) for peer in desired.peers)
        _apply(self, replace(desired, peers=peers), last_check)

    DataPlane.apply = apply  # type: ignore[method-assign]


def leave_peers_in_the_link() -> None:
    """Keeps the peers of removed machines and old keys in the link, in changes and in healing."""

    def without_removals(change: Callable[..., None]) -> Callable[..., None]:
        def kept(self: Any, names: KernelNames, add: Iterable[Peer], remove: Iterable[str], **others: Any) -> None:
            del remove
            change(self, names, add, (), **others)

        return kept

    for backend in (Kernel, Userspace, Boringtun):
        backend.change = without_removals(backend.change)  # type: ignore[method-assign]


def look_at_rules_alone() -> None:
    """Compares only the rules to find out whether a save changed something, and not the default."""
    in_force: dict[str, Policy] = {}

    def apply(self: DataPlane, desired: Desired, last_check: LastCheck = no_check) -> None:
        before = in_force.get(desired.organization)
        policy = desired.policy
        if before is not None and before.rules == policy.rules:
            policy = before
        in_force[desired.organization] = policy
        _apply(self, replace(desired, policy=policy), last_check)

    DataPlane.apply = apply  # type: ignore[method-assign]
