"""Sabotages of healing."""

from __future__ import annotations

import time
from dataclasses import replace

from appliance.hub.errors import RulesetError
from appliance.hub.findings import Damage, Part
from appliance.hub.kernel import generation
from appliance.hub.names import KernelNames
from appliance.hub.plane.enforcement import Enforcement
from appliance.hub.plane.healing import Healer
from appliance.hub.plane.machine_calls import MachineCalls
from appliance.hub.plane.reconcile import Reconciler
from appliance.hub.rpc.callers import Hook, no_hook
from appliance.hub.ruleset import ALLOWED_MARK, UNKNOWN, Ruleset, compile_ruleset
from appliance.model.desired import Desired, Peer

_enforce = Enforcement.enforce
_load = Enforcement._load
_peers = Reconciler._ensure_peers
_change = Reconciler.change


def look_after_nothing() -> None:
    """Never starts the healer."""

    def start(self: Healer) -> None:
        del self

    Healer.start = start  # type: ignore[method-assign]


def open_first() -> None:
    """Loads rules that accept everything for 20 ms before it restores the right ones."""

    def load(self: Enforcement, names: KernelNames, text: str, in_force: Ruleset) -> None:
        if text.startswith("flush ruleset"):
            everything = (f"meta mark set {ALLOWED_MARK:#x} accept",)
            is_open = replace(in_force, chains={**in_force.chains, "judge": everything})
            for part in is_open.loading():
                _load(self, names, part, is_open)
            time.sleep(0.02)
        _load(self, names, text, in_force)

    Enforcement._load = load  # type: ignore[method-assign]


def keep_what_a_stranger_added() -> None:
    """Restores only the policy's own chains, and keeps tables and chains that others added."""

    def enforce(self: Enforcement, names: KernelNames, desired: Desired) -> tuple[Damage, ...]:
        name = names.namespace
        now, known = generation.current(self._sockets, name), self._generations.get(name)
        if known is not None and now != known:
            own = compile_ruleset(desired, names.link)
            changed = {each: UNKNOWN for each in own.chains if each not in own.hooks}
            try:
                self._generations[name] = now
                self._load(names, own.switch(replace(own, chains={**own.chains, **changed})), own)
            except RulesetError:
                self._generations[name] = known
            else:
                return (Damage(Part.RULESET, "the rules were changed"),)
        return _enforce(self, names, desired)

    Enforcement.enforce = enforce  # type: ignore[method-assign]


def call_nobody() -> None:
    """Never calls machines back after the front door was repaired."""

    def call_all(self: MachineCalls, misled_until: float) -> None:
        del self, misled_until

    MachineCalls.call_all = call_all  # type: ignore[method-assign]


def remember_machines_as_given() -> None:
    """Does not add the machines again to a link that was replaced."""
    given: dict[str, tuple[Peer, ...]] = {}

    def peers(self: Reconciler, names: KernelNames, desired: Desired) -> tuple[Damage, ...]:
        if given.get(names.namespace) == desired.peers:
            return ()
        given[names.namespace] = desired.peers
        return _peers(self, names, desired)

    def change(self: Reconciler, before: Desired, after: Desired, hook: Hook = no_hook) -> None:
        _change(self, before, after, hook)
        given[self._names.of(after.organization).namespace] = after.peers

    Reconciler._ensure_peers = peers  # type: ignore[method-assign]
    Reconciler.change = change  # type: ignore[method-assign]
