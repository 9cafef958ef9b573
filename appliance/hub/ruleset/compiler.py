"""Incremental compiler from desired states to rulesets."""

from __future__ import annotations

from collections import defaultdict

from appliance.hub.ruleset import chains
from appliance.hub.ruleset.chains import counter_name
from appliance.hub.ruleset.classes import Classes
from appliance.hub.ruleset.document import ChainDraft, Ruleset
from appliance.hub.ruleset.frame import HOOKS, UNMATCHED, frame
from appliance.hub.ruleset.lookups import POSITIONS, Element, Ends, Key, Lookup, elements_of, keys_of, lookup_of
from appliance.hub.ruleset.name_set import NameSet
from appliance.hub.ruleset.openings import FULL, PACED
from appliance.hub.ruleset.spread import Spread
from appliance.model.desired import Desired, Peer
from appliance.model.difference import between_policies, without
from appliance.model.policy import Policy, Rule

Touched = defaultdict[Lookup, set[Key]]

# Measured with tracemalloc: an element, a key, a machine or a rule with what is made of it takes so much at most.
_BYTES_OF_PART = 240


class Compiler:
    """Compiles one organization's states one after the other, and keeps what is unchanged.

    A change of a rule or a group costs as much as the keys that it affects; the steps that go through all rules take
    microseconds for a thousand.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._peers: tuple[Peer, ...] = ()
        self._groups: frozenset[str] = frozenset()
        self._ends = Ends({}, Classes({}, {}))
        self._policy = Policy()
        self._met: dict[Lookup, dict[Key, list[Rule]]] = {}
        self._spreads: dict[Lookup, Spread[tuple[Element, ...]]] = {}
        self._classes = (chains.source_classes(), chains.destination_classes())
        self._counters = NameSet.of({UNMATCHED, FULL, PACED})

    @property
    def estimated_bytes(self) -> int:
        """Memory of what is kept for the next state, without the state itself."""
        classified = sum(len(each) + each.elements for each in self._classes)
        looked_up = sum(len(each) + each.elements for each in self._spreads.values())
        return _BYTES_OF_PART * (classified + looked_up + len(self._peers) + len(self._policy.rules))

    def compile(self, desired: Desired, link: str) -> Ruleset:
        """Compile a state; the result does not depend on earlier ones.

        Args:
            link: the name of the one link in the namespace.
        """
        try:
            self._take(desired)
            return self._written(desired, link)
        except BaseException:
            # The state may be half updated: begin with nothing.
            self._begin()
            raise

    def _take(self, desired: Desired) -> None:
        policy = desired.policy
        found = between_policies(self._policy, policy)
        if found is None:
            # The order of rules decides which of them counts, so after a change of the order everything may differ.
            self._begin()
            found = (), policy.rules
        removed, added = found
        ends, changed = self._ends_of(desired)
        if changed:
            kept = without(self._policy.rules, removed)
            moved = [rule for rule in kept if rule.source.name in changed or rule.destination.name in changed]
            removed, added = [*removed, *moved], [*moved, *added]
        touched: Touched = defaultdict(set)
        for rule in removed:
            self._forget(rule, touched)
        self._ends = ends
        for rule in added:
            self._meet(rule, touched)
        self._policy = policy
        counters = self._counters.without_names(counter_name(rule.id) for rule in removed)
        self._counters = counters.with_names(counter_name(rule.id) for rule in added)
        self._update(touched)

    def _ends_of(self, desired: Desired) -> tuple[Ends, frozenset[str]]:
        """Meaning of the rules' ends in this state, and the names whose meaning changed."""
        groups = desired.policy.groups
        if desired.peers == self._peers and groups == self._groups:
            return self._ends, frozenset()
        before, after = self._ends, Ends.of(desired)
        for spread in self._classes:
            spread.update(_difference_of_classes(before.classes, after.classes))
        self._peers, self._groups = desired.peers, groups
        return after, before.changed(after)

    def _forget(self, rule: Rule, touched: Touched) -> None:
        lookup = lookup_of(rule)
        for key in keys_of(rule, self._ends):
            touched[lookup].add(key)
            met = self._met[lookup][key]
            met.remove(rule)
            if not met:
                del self._met[lookup][key]

    def _meet(self, rule: Rule, touched: Touched) -> None:
        lookup = lookup_of(rule)
        for key in keys_of(rule, self._ends):
            touched[lookup].add(key)
            self._met.setdefault(lookup, {}).setdefault(key, []).append(rule)

    def _update(self, touched: Touched) -> None:
        """Rewrite the elements of these keys."""
        positions: dict[str, int] = {}
        for lookup, keys in touched.items():
            of_lookup = self._met[lookup]
            if not of_lookup:
                del self._met[lookup]
                self._spreads.pop(lookup, None)
                continue
            for key in keys:
                if len(met := of_lookup.get(key, [])) > 1:
                    positions = positions or {rule.id: at for at, rule in enumerate(self._policy.rules)}
                    met.sort(key=lambda rule: positions[rule.id])
            spread = self._spreads.setdefault(lookup, chains.spread_of(lookup))
            spread.update({key: elements_of(lookup, of_lookup[key]) if key in of_lookup else None for key in keys})

    def _written(self, desired: Desired, link: str) -> Ruleset:
        draft = ChainDraft()
        lookups = tuple(sorted(self._spreads, key=POSITIONS.__getitem__))
        has_classes = any(map(len, self._classes))
        draft.include(frame(desired.network, link, lookups, desired.policy.default, has_classes=has_classes))
        for spread in (*(self._classes if has_classes else ()), *map(self._spreads.__getitem__, lookups)):
            draft.include(spread.draft)
        return Ruleset(HOOKS, draft.chains, draft.leaves, self._counters)


def _difference_of_classes(before: Classes, after: Classes) -> dict[Key, int | None]:
    gone = before.of_address.keys() - after.of_address.keys()
    new = after.of_address.items() - before.of_address.items()
    return {**{(str(each),): None for each in gone}, **{(str(each),): number for each, number in new}}
