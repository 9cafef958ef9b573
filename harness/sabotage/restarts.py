"""Sabotages that show when the hub is stopped, or after its restart."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import IPv4Address

from sqlalchemy import Connection, select

from appliance.hub.kernel import generation, nft
from appliance.hub.kernel.generation import Ledger, LedgerEntry
from appliance.hub.kernel.sockets import NetfilterSockets
from appliance.hub.plane.dataplane import DataPlane
from appliance.hub.plane.endpoint_notes import EndpointNotes
from appliance.hub.plane.upkeep import Upkeep
from appliance.hub.ruleset import TABLE, Compiler, Ruleset
from appliance.hub.ruleset.frame import HOOKS
from appliance.model.desired import Desired, Peer
from appliance.store import machines
from appliance.store.schema import machines as table
from harness.sabotage import rules
from harness.sabotage.parts import replace_part

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


def trust_the_hub_before() -> None:
    """Takes rules that nobody changed since the hub before made them for those of the store, whatever they are."""

    def is_same_generation(self: LedgerEntry, other: object) -> bool:
        return isinstance(other, LedgerEntry) and self.generation == other.generation

    replace_part(LedgerEntry, "__eq__", is_same_generation)


def note_policies_for_rules() -> None:
    """Notes the rules in force by the policy that they were made from, in place of what they are."""

    def noted(good: Ruleset, desired: Desired, _link: str) -> Ruleset:
        marked = replace(good)
        digest = hashlib.blake2b(repr(desired.policy).encode(), digest_size=12)
        # Where the ruleset keeps it once it was computed.
        vars(marked)["fingerprint"] = digest.hexdigest()
        return marked

    rules.change_rulesets(noted)


def take_every_frame_for_its_own() -> None:
    """Changes the chains of rules that a hub finds at its start, whatever hooks and further tables there are."""
    found = nft.present

    def present(name: str) -> Ruleset:
        return replace(found(name), hooks=HOOKS)

    def tables(name: str) -> tuple[str, ...]:
        del name
        return (f"inet {TABLE}",)

    nft.present, nft.tables = present, tables


def bring_disabled_machines_back() -> None:
    """Reads disabled machines from the store as if they were enabled."""
    peers_of = machines.peers_of

    def peers(transaction: Connection, organization_id: str) -> tuple[Peer, ...]:
        rows = transaction.execute(
            select(table).where(table.c.organization_id == organization_id, table.c.enabled.is_(False))
        )
        disabled = (Peer(each.id, each.public_key, IPv4Address(each.address), frozenset(each.groups)) for each in rows)
        found = (*peers_of(transaction, organization_id), *disabled)
        return tuple(sorted(found, key=lambda peer: peer.address))

    machines.peers_of = peers


def leave_everything_at_the_end() -> None:
    """Ends the service and leaves links, routes and rules in the kernel."""

    def tear_down(self: Upkeep) -> None:
        self.close()

    Upkeep.tear_down = tear_down  # type: ignore[method-assign]


def note_no_endpoints() -> None:
    """Knows in memory alone where machines are."""

    def note(self: EndpointNotes, organization: str, patience_s: float) -> None:
        del self, organization, patience_s

    EndpointNotes.note = note  # type: ignore[method-assign]
