"""Facts about a policy's change, for the audit trail: which rules came and went, and another default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.model.difference import between_rules
from appliance.model.entries import LEFT_OUT
from appliance.model.policy import Policy, Rule, Selector, SelectorKind
from appliance.service.changes import Change
from appliance.store import machines

MOST_TOLD = 10
"""Rules that came, and as many that went, that an entry tells in words; of the others it has the number."""


def of_save(change: Change, policy: Policy) -> dict[str, Any]:
    """Detail of the audit trail's entry about a save of this policy.

    Args:
        change: with the policy that is there before.

    Returns:
        ``removed`` and ``added``, the rules in words; ``previous_default``; ``rules_moved`` where others only changed
        places. Each is left out where there is nothing of it, so a save that changes nothing gives {}.
    """
    before = change.before.policy
    gone, new = differences(before.rules, policy.rules)
    found = of_rules_in_words(change, removed=gone, added=new)
    if policy.default is not before.default:
        found["previous_default"] = before.default.value
    if not gone and not new and policy.rules != before.rules:
        found["rules_moved"] = True
    return found


def of_rules_in_words(change: Change, **rules: Sequence[Rule]) -> dict[str, Any]:
    """Lists of rules as sentences, each with the number of those that are left out."""
    told = {key: of_key[:MOST_TOLD] for key, of_key in rules.items() if of_key}
    ends = {end for of_key in told.values() for rule in of_key for end in (rule.source, rule.destination)}
    ids = sorted(end.name for end in ends if end.kind is SelectorKind.MACHINE)
    names = machines.names_of(change.transaction, change.organization.id, ids)
    found: dict[str, Any] = {}
    for key, of_key in told.items():
        found[key] = [_sentence(rule, names) for rule in of_key]
        if len(rules[key]) > len(of_key):
            found[key + LEFT_OUT] = len(rules[key]) - len(of_key)
    return found


def differences(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[Sequence[Rule], Sequence[Rule]]:
    """Rules that went, and rules that came; one that was changed is both."""
    found = between_rules(before, after)
    if found is not None:
        return found
    had, has = {rule.id: rule for rule in before}, {rule.id: rule for rule in after}
    return (
        [rule for rule in before if has.get(rule.id) != rule],
        [rule for rule in after if had.get(rule.id) != rule],
    )


def _sentence(rule: Rule, names: Mapping[str, str]) -> str:
    told = rule.described_with(lambda end: _end(end, names))
    return f"{told} ({rule.description})" if rule.description else told


def _end(end: Selector, names: Mapping[str, str]) -> str:
    """Text of a rule's end, for a machine with its name, which may be another one's tomorrow."""
    name = names.get(end.name) if end.kind is SelectorKind.MACHINE else None
    return str(end) if name is None else f"{end} “{name}”"
