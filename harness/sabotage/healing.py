"""Sabotages of healing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from appliance.hub.findings import Repair
from appliance.hub.kernel.events import NamespaceEvent
from appliance.hub.names import KernelNames
from appliance.hub.plane.enforcement import Enforcement
from appliance.hub.plane.healing import Healer
from appliance.hub.plane.machine_calls import MachineCalls
from appliance.hub.plane.reconcile import Reconciler
from appliance.hub.plane.upkeep import Upkeep
from appliance.hub.ruleset import ALLOWED_MARK, UNKNOWN, Count, Ruleset
from appliance.model.desired import Desired
from harness.sabotage.parts import NothingReplaced, replace_part

_RESTS_S = 30.0
_loading = Ruleset.loading
_load = Enforcement.load


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

    Enforcement.load = load  # type: ignore[method-assign]


def restore_with_default_allow() -> None:
    """Allows by default in rules that are loaded as a whole; a new organization allows by default anyway."""

    def loading(self: Ruleset, counted: Mapping[str, Count] | None = None) -> tuple[str, ...]:
        everything = (f"meta mark set {ALLOWED_MARK:#x} accept",)
        if "default" not in self.chains:
            raise NothingReplaced("the rules have no chain for the default")
        return _loading(replace(self, chains={**self.chains, "default": everything}), counted)

    Ruleset.loading = loading  # type: ignore[method-assign]


def keep_what_a_stranger_added() -> None:
    """Restores only the policy's own chains, and keeps tables and chains that others added."""

    def loading(self: Ruleset, counted: Mapping[str, Count] | None = None) -> tuple[str, ...]:
        if not counted:
            # There is no table yet, or none is left.
            return _loading(self, counted)
        changed = {each: UNKNOWN for each in self.chains if each not in self.hooks}
        return (self.activation(replace(self, chains={**self.chains, **changed})),)

    Ruleset.loading = loading  # type: ignore[method-assign]


def call_nobody() -> None:
    """Never calls machines back after the front door was repaired."""

    def call_all(self: MachineCalls, misled_until: float) -> None:
        del self, misled_until

    MachineCalls.call_all = call_all  # type: ignore[method-assign]


def wait_for_machines_of_new_links() -> None:
    """Waits until machines begin handshakes by themselves when their link had to be made again."""

    def turn_to_machines(self: Reconciler, desired: Desired) -> None:
        del self, desired

    Reconciler.turn_to_machines = turn_to_machines  # type: ignore[method-assign]


def rest_after_repairs() -> None:
    """Looks at no organization, and not at the front door, for half a minute after it was repaired."""
    look: Callable[[Upkeep, str, NamespaceEvent], Repair | None] = vars(Upkeep)["_heal"]
    repaired: dict[str, float] = {}

    def heal(self: Upkeep, organization: str, event: NamespaceEvent) -> Repair | None:
        if time.monotonic() - repaired.get(organization, -math.inf) < _RESTS_S:
            return None
        found = look(self, organization, event)
        if found is not None:
            repaired[organization] = time.monotonic()
        return found

    replace_part(Upkeep, "_heal", heal)
