"""Ids of rules that outlast a save, so that what was counted of a rule goes on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from appliance.model.policy import Policy, Rule


def with_ids_of(policy: Policy, before: Policy) -> Policy:
    """Copy of a policy that reuses ids from `before` for equal rules, so that their counters continue."""
    known = {rule.id for rule in before.rules}
    new = [rule for rule in policy.rules if rule.id not in known]
    if not new:
        return policy
    # Ids that the policy has already are not reused.
    taken = {rule.id for rule in policy.rules}
    same_as: defaultdict[Rule, list[Rule]] = defaultdict(list)
    for rule in reversed(before.rules):
        if rule.id not in taken:
            same_as[replace(rule, id="")].append(rule)
    if not same_as:
        return policy
    return replace(
        policy,
        rules=tuple(
            # The very rule: later comparisons of both policies see the same object.
            same.pop() if rule.id not in known and (same := same_as.get(replace(rule, id=""))) else rule
            for rule in policy.rules
        ),
    )
