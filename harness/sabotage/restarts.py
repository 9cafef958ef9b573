"""Sabotages that show after a restart of the hub."""

from __future__ import annotations

from dataclasses import replace

from appliance.hub.kernel import generation
from appliance.hub.kernel.generation import Ledger, LedgerEntry
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.ruleset import Compiler, Ruleset
from appliance.model.desired import Desired
from harness.sabotage import rules

_present = DataPlane.present


def forget_groups() -> None:
    """Leaves out the rules for groups in a hub that finds the namespaces of an earlier process at its start."""
    found: list[str] = []

    def present(self: DataPlane) -> tuple[str, ...]:
        there = _present(self)
        found.extend(there)
        return there

    def without_groups(good: Ruleset, desired: Desired, link: str) -> Ruleset:
        if not found:
            return good
        kept = tuple(rule for rule in desired.policy.rules if rule.groups == (None, None))
        less = replace(desired, policy=replace(desired.policy, rules=kept))
        return rules.compile_right(Compiler(), less, link)

    DataPlane.present = present  # type: ignore[method-assign]
    rules.change_rulesets(without_groups)


def trust_the_ledger() -> None:
    """Takes rules that a hub finds at its start for those that the hub before it noted, whatever changed them since."""
    noted = Ledger.noted

    def as_noted(self: Ledger, name: str) -> LedgerEntry | None:
        entry = noted(self, name)
        return None if entry is None else replace(entry, generation=generation.current(NetfilterSockets(), name))

    Ledger.noted = as_noted  # type: ignore[method-assign]
