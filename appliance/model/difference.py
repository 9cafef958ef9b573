"""What one state of an organization has and another has not: of a large organization, mostly little."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from appliance.model.desired import Desired, Peer
from appliance.model.policy import Action, Rule


@dataclass(frozen=True)
class Difference:
    """What leads from one state to another of the same link.

    Attributes:
        rules_gone, peers_gone: ids.
        rules: that come behind all others.
        peers: that come, or take the place of the one of the same id.
    """

    default: Action
    rules_gone: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    peers_gone: frozenset[str] = frozenset()
    peers: tuple[Peer, ...] = ()

    def leads_from(self, before: Desired) -> Desired:
        """The state that it leads to."""
        policy = before.policy.without_rules(self.rules_gone).with_rules(self.rules)
        if policy.default is not self.default:
            policy = policy.with_default(self.default)
        peers = before.peers
        if self.peers or self.peers_gone:
            others = self.peers_gone | {peer.id for peer in self.peers}
            left = [peer for peer in peers if peer.id not in others]
            peers = tuple(sorted([*left, *self.peers], key=operator.attrgetter("address")))
        return replace(before, peers=peers, policy=policy)


def between(before: Desired, after: Desired) -> Difference | None:
    """The difference between two states; None where it is no such one, as where rules changed places."""
    found = of_rules(before.policy.rules, after.policy.rules)
    if found is None or replace(before, peers=after.peers, policy=after.policy) != after:
        return None
    gone, new = found
    if not are_last(after.policy.rules, new):
        return None
    difference = Difference(after.policy.default, frozenset(rule.id for rule in gone), tuple(new))
    if before.peers is after.peers or before.peers == after.peers:
        return difference
    had = {peer.id: peer for peer in before.peers}
    difference = replace(
        difference,
        peers_gone=frozenset(had).difference(peer.id for peer in after.peers),
        peers=tuple(peer for peer in after.peers if had.get(peer.id) != peer),
    )
    return difference if difference.leads_from(before).peers == after.peers else None


def of_rules(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[Sequence[Rule], Sequence[Rule]] | None:
    """The rules that are gone and those that came; None where others have changed places."""
    begin = _alike(before, after)
    end = _alike(before[begin:][::-1], after[begin:][::-1])
    gone, new = before[begin : len(before) - end], after[begin : len(after) - end]
    if not gone or not new:
        return gone, new
    places = {rule.id: at for at, rule in enumerate(new)}
    kept = [rule for rule in gone if (at := places.get(rule.id)) is not None and (new[at] is rule or new[at] == rule)]
    order = [places[rule.id] for rule in kept]
    if order != sorted(order):
        return None
    return without(gone, kept), without(new, kept)


def are_last(rules: Sequence[Rule], some: Sequence[Rule]) -> bool:
    """Whether these are the last ones of all."""
    return tuple(rules[len(rules) - len(some) :]) == tuple(some)


def without(rules: Sequence[Rule], others: Iterable[Rule]) -> list[Rule]:
    """The rules that have no other's id."""
    ids = {rule.id for rule in others}
    return [rule for rule in rules if rule.id not in ids]


def _alike(one: Sequence[Rule], other: Sequence[Rule]) -> int:
    """How many rules are the same from the beginning on."""
    # Mostly they are the same objects, which is known at once.
    same = list(map(operator.is_, one, other))
    at = same.index(False) if False in same else len(same)
    while at < len(same) and (same[at] or one[at] == other[at]):
        at += 1
    return at
