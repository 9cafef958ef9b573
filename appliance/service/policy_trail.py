"""Facts about a policy change for the audit trail: added and removed rules, and the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.model.difference import differences
from appliance.model.entries import LEFT_OUT
from appliance.model.policy import Policy, Rule, Selector, SelectorKind
from appliance.service.changes import OpenChange
from appliance.store import machines

MOST_TOLD = 10
"""Most added rules, and most removed ones, that an entry lists; the others are counted."""


def of_save(change: OpenChange, policy: Policy) -> dict[str, Any]:
    """Describe a save of this policy for the audit trail.

    Args:
        change: with the policy before the save.

    Returns:
        ``removed`` and ``added``, the rules as sentences; ``previous_default``; ``rules_moved`` if only the order
        changed. Absent if empty, so a save without differences gives {}.
    """
    before = change.before.policy
    gone, new = differences(before, policy)
    found = of_rules_in_words(change, removed=gone, added=new)
    if policy.default is not before.default:
        found["previous_default"] = before.default.value
    if not gone and not new and policy.rules != before.rules:
        found["rules_moved"] = True
    return found


def of_rules_in_words(change: OpenChange, **rules: Sequence[Rule]) -> dict[str, Any]:
    """Describe lists of rules as sentences, each list with the number of rules that it leaves out."""
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


def _sentence(rule: Rule, names: Mapping[str, str]) -> str:
    told = rule.described_with(lambda end: _end(end, names))
    return f"{told} ({rule.description})" if rule.description else told


def _end(end: Selector, names: Mapping[str, str]) -> str:
    """Describe a rule's end, for a machine with its present name."""
    name = names.get(end.name) if end.kind is SelectorKind.MACHINE else None
    return str(end) if name is None else f"{end} “{name}”"
