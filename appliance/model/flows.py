"""Flows of an organization: what its rules, or its default, decided about, by the ends of the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from appliance.model.policy import ANYONE, Action, Policy, Rule, Selector


@dataclass(frozen=True)
class Flow:
    """Packets of connections from one end to another that were decided alike.

    Attributes:
        is_default: True for packets that no rule matches.
        packets: more than zero.
    """

    source: Selector
    destination: Selector
    denied: bool
    is_default: bool
    packets: int


def active_rules(policy: Policy, packets: Mapping[str | None, int]) -> list[Rule]:
    """Rules that decided about packets, most packets first.

    Args:
        packets: by rule id.
    """
    found = [rule for rule in policy.rules if packets.get(rule.id, 0) > 0]
    return sorted(found, key=lambda rule: -packets[rule.id])


def flows_of(policy: Policy, packets: Mapping[str | None, int]) -> list[Flow]:
    """Join rules that have the same ends and action into flows, most packets first.

    Args:
        packets: by rule id; the default's by None.
    """
    total: Counter[tuple[Selector, Selector, bool]] = Counter()
    for rule in active_rules(policy, packets):
        total[rule.source, rule.destination, rule.action is Action.DENY] += packets[rule.id]
    found = [Flow(*key, is_default=False, packets=count) for key, count in total.items()]
    unmatched = packets.get(None, 0)
    if unmatched > 0:
        found.append(Flow(ANYONE, ANYONE, policy.default is Action.DENY, True, unmatched))
    return sorted(found, key=lambda flow: -flow.packets)
