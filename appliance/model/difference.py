"""Differences between two states of an organization, small even if the organization is large."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.model.desired import Desired, Peer
from appliance.model.policy import Action, Policy, Rule


@dataclass(frozen=True)
class StateDifference:
    """Change from one state of an organization to the next.

    Attributes:
        rules_gone, peers_gone: ids of what is removed.
        rules: added behind all others.
        peers: added; a peer of the same id is replaced.
    """

    default: Action
    rules_gone: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    peers_gone: frozenset[str] = frozenset()
    peers: tuple[Peer, ...] = ()

    def apply_to(self, before: Desired) -> Desired:
        """The state after this change."""
        policy = before.policy.changed(self.rules_gone, self.rules)
        if policy.default is not self.default:
            policy = policy.with_default(self.default)
        peers = before.peers
        if self.peers or self.peers_gone:
            others = self.peers_gone | {peer.id for peer in self.peers}
            left = [peer for peer in peers if peer.id not in others]
            peers = tuple(sorted([*left, *self.peers], key=operator.attrgetter("address")))
        return replace(before, peers=peers, policy=policy)


def between(before: Desired, after: Desired) -> StateDifference | None:
    """The difference between two states; None if a `StateDifference` can't express it, for example reordered rules."""
    changes = between_policies(before.policy, after.policy)
    if changes is None or replace(before, peers=after.peers, policy=after.policy) != after:
        return None
    gone, new = changes
    if not ends_with(after.policy.rules, new):
        return None
    difference = StateDifference(after.policy.default, frozenset(rule.id for rule in gone), tuple(new))
    if before.peers is after.peers or before.peers == after.peers:
        return difference
    had = {peer.id: peer for peer in before.peers}
    difference = replace(
        difference,
        peers_gone=frozenset(had).difference(peer.id for peer in after.peers),
        peers=tuple(peer for peer in after.peers if had.get(peer.id) != peer),
    )
    return difference if difference.apply_to(before).peers == after.peers else None


def between_policies(before: Policy, after: Policy) -> tuple[Sequence[Rule], Sequence[Rule]] | None:
    """The removed and the added rules (`between_rules`); known at once if `after` was made from `before`."""
    if before.rules is after.rules:
        return (), ()
    step = after.step
    if step is not None and step.before is before.rules:
        return step.gone, step.new
    return between_rules(before.rules, after.rules)


def between_rules(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[Sequence[Rule], Sequence[Rule]] | None:
    """The removed and the added rules; None if the remaining rules changed their order."""
    start = _common_prefix_length(before, after)
    end = _common_prefix_length(before[start:][::-1], after[start:][::-1])
    gone, new = before[start : len(before) - end], after[start : len(after) - end]
    if not gone or not new:
        return gone, new
    positions = {rule.id: at for at, rule in enumerate(new)}
    kept = [
        rule for rule in gone if (at := positions.get(rule.id)) is not None and (new[at] is rule or new[at] == rule)
    ]
    order = [positions[rule.id] for rule in kept]
    if order != sorted(order):
        return None
    return without(gone, kept), without(new, kept)


def differences(before: Policy, after: Policy) -> tuple[Sequence[Rule], Sequence[Rule]]:
    """List the removed and the added rules; a changed rule is both."""
    found = between_policies(before, after)
    if found is not None:
        return found
    had, has = before.by_id, after.by_id
    return (
        [rule for rule in before.rules if has.get(rule.id) != rule],
        [rule for rule in after.rules if had.get(rule.id) != rule],
    )


def ends_with(rules: Sequence[Rule], tail: Sequence[Rule]) -> bool:
    """True if `tail` is the end of `rules`."""
    return tuple(rules[len(rules) - len(tail) :]) == tuple(tail)


def without(rules: Sequence[Rule], others: Iterable[Rule]) -> list[Rule]:
    """The rules whose id none of the others has."""
    ids = {rule.id for rule in others}
    return [rule for rule in rules if rule.id not in ids]


def _common_prefix_length(one: Sequence[Rule], other: Sequence[Rule]) -> int:
    # Most rules are identical objects, and identity is cheaper to check than equality.
    same = list(map(operator.is_, one, other))
    at = same.index(False) if False in same else len(same)
    while at < len(same) and (same[at] or one[at] == other[at]):
        at += 1
    return at
