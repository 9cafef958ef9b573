"""Checks of a policy before it is saved, and its save within a change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from appliance.model.cost import MOST_ELEMENTS
from appliance.model.desired import Desired
from appliance.model.difference import between_policies, without
from appliance.model.entries import shortened
from appliance.model.errors import Conflict, Invalid, PreconditionFailed
from appliance.model.names import check_new_group
from appliance.model.policy import Policy, Rule, SelectorKind
from appliance.service import expectations, policy_trail
from appliance.service.actor import Actor
from appliance.service.changes import OpenChange
from appliance.service.context import Context
from appliance.service.room import SMALL
from appliance.store import policies
from appliance.store.policies import SavedPolicy
from appliance.store.policy_history import Save

MOST_RULES = 20_000
MOST_LISTED_PORTS = MOST_ELEMENTS
"""Ports and ranges in a whole policy as it is sent; each costs the data plane one element or more, unless they join."""
MOST_BYTES = 8_000_000


def check_listing(ports: Sequence[str | None]) -> None:
    """Refuse an oversized list of rules before it is parsed, since counting is much faster.

    Args:
        ports: ports of each rule, as sent.

    Raises:
        Invalid: there are more than `MOST_RULES` rules or `MOST_LISTED_PORTS` ports.
    """
    _check_count(len(ports))
    listed = sum(text.count(",") + 1 for text in ports if text)
    if listed > MOST_LISTED_PORTS:
        raise Invalid(
            "These rules list {listed} ports and ranges, and {most} is the most. Ranges of "
            "neighbouring ports, and rules for groups, make fewer.",
            field="rules",
            listed=listed,
            most=MOST_LISTED_PORTS,
        )


def _check_count(rules: int) -> None:
    if rules > MOST_RULES:
        raise Invalid("A policy has at most {most} rules.", field="rules", most=MOST_RULES)


def check_seen(change: OpenChange, seen: Collection[int] | None) -> None:
    """Raise `PreconditionFailed` if the policy is at none of the versions in ``seen``; None is no condition."""
    present = change.organization.policy_version
    if seen is not None and present not in seen:
        raise PreconditionFailed(
            "The policy was saved by someone else meanwhile: it is at version {present}.", present=present
        )


def check_version(change: OpenChange, version: int | None) -> None:
    """Raise `Conflict` unless the policy is at this version; None is any."""
    present = change.organization.policy_version
    if version not in (None, present):
        raise Conflict(
            "The policy was saved meanwhile: it is at version {present}, not {version}.",
            field="version",
            present=present,
            version=version,
        )


def check_policy(change: OpenChange, policy: Policy) -> int:
    """Check that the organization may have this policy; returns the bytes of the rules that are new in it.

    Raises:
        Invalid: a rule names a machine that the organization does not have, or there are too many rules.
    """
    _check_count(len(policy.rules))
    before = change.before.policy
    found = between_policies(before, policy)
    gone, added = (before.rules, policy.rules) if found is None else found
    _check_bytes(change, policies.growth(gone, added))
    new = without(policy.rules, before.rules) if found is None else added
    _check_machines(change, new)
    _check_groups(change.before, new)
    return policies.growth((), added)


def write_policy(
    context: Context, actor: Actor, change: OpenChange, policy: Policy, *, force: bool, **facts: Any
) -> SavedPolicy:
    """Make the change one to this policy, and describe it for audit trail and history.

    Raises as `check_policy` and `expectations.broken_by` do, and `NoRoom` if the store's disk is nearly full and more
    than a few rules are new.

    Args:
        force: True to break expectations.
        facts: added to the description.
    """
    if check_policy(change, policy) > SMALL:
        context.room.check()
    if broken := expectations.broken_by(change, policy=policy, force=force):
        facts["broken"] = broken
    changes = {
        **policy_trail.of_save(change, policy),
        "default": policy.default.value,
        "rules": len(policy.rules),
        **facts,
    }
    saved = store_policy(context, actor, change, policy, changes)
    change.note("policy.saved", **changes, version=saved.version)
    return saved


def store_policy(
    context: Context, actor: Actor, change: OpenChange, policy: Policy, changes: Mapping[str, Any]
) -> SavedPolicy:
    """Make the change replace the policy, without any check.

    Args:
        changes: description for the history.
    """
    organization_id, before = change.organization.id, change.before.policy
    made_by = Save(actor.name, context.clock(), shortened(changes))
    change.write(lambda transaction: policies.save(transaction, organization_id, before, policy, made_by))
    change.after = replace(change.before, policy=policy)
    return SavedPolicy(policy, change.organization.policy_version + 1)


def unknown_machines(change: OpenChange, rules: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    """List the machines that rules name and the organization does not have, each with the field that names it."""
    known = {peer.id for peer in change.before.peers}
    for rule in rules:
        for field, selector in (("source", rule.source), ("destination", rule.destination)):
            if (
                selector.kind is SelectorKind.MACHINE
                and selector.name not in known
                and selector.name not in change.disabled
            ):
                yield selector.name, field


def _check_bytes(change: OpenChange, growth: int) -> None:
    size = change.organization.policy_bytes + growth
    if growth > 0 and size > MOST_BYTES:
        raise Invalid(
            "The rules take {size} bytes with their names, ports and descriptions, and {most} is the most.",
            field="rules",
            size=size,
            most=MOST_BYTES,
        )


def _check_machines(change: OpenChange, new: Collection[Rule]) -> None:
    for machine, field in unknown_machines(change, new):
        raise Invalid("A rule names a machine that does not exist: {machine!r}.", field=field, machine=machine)


def _check_groups(state: Desired, new: Collection[Rule]) -> None:
    known = {group for peer in state.peers for group in peer.groups}
    for rule in new:
        for field, group in zip(("source", "destination"), rule.groups, strict=True):
            if group is not None and group not in known:
                check_new_group(group, field=field)
