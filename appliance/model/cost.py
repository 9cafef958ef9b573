"""Cost of a policy to the data plane, computed without expanding the policy.

The data plane looks packets up by source, destination and port. Each pair of ends that a rule names is one element of a
lookup for each of the rule's port ranges. Machines that are in the same groups of the policy form one class, and an end
that is a group counts once for each class of its machines. Overlapping port ranges of several rules for the same ends
are cut into pieces, at most twice as many as there were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from appliance.model.policy import Policy, Rule

MOST_ELEMENTS = 40_000
"""Limit of elements for one organization: the data plane builds so many from nothing in about one second."""

# Each address is looked up once as a source and once as a destination to find its class.
_ELEMENTS_PER_CLASSIFIED_MACHINE = 2


def count_classes(machines: Iterable[frozenset[str]], groups: Collection[str]) -> tuple[Counter[str], int]:
    """Count each group's classes, and the machines that are in at least one of the groups.

    Args:
        machines: the groups of each machine.
        groups: the groups that a policy names.
    """
    if not groups:
        return Counter(), 0
    named = frozenset(groups)
    counts = Counter(of_machine & named for of_machine in machines)
    counts.pop(frozenset(), None)
    return Counter(group for each in counts for group in each), counts.total()


def count_elements(policy: Policy, classes: Mapping[str, int], classified: int) -> int:
    """Upper bound of the elements that a policy needs.

    Args:
        classes: number of each group's classes, as from `count_classes`.
        classified: number of machines in at least one of these groups.
    """
    total = _ELEMENTS_PER_CLASSIFIED_MACHINE * classified
    for (source, destination), weights in policy.weights.items():
        # A rule for groups without machines still has its counter.
        total += weights * max(1, _class_count(source, classes) * _class_count(destination, classes))
    return total


def heaviest(policy: Policy, classes: Mapping[str, int]) -> tuple[Rule, int] | None:
    """The rule that needs the most elements, and their number; None if there is no rule."""
    counted = (
        (
            rule,
            rule.weight
            * max(1, _class_count(rule.source.group, classes) * _class_count(rule.destination.group, classes)),
        )
        for rule in policy.rules
    )
    return max(counted, key=lambda each: each[1], default=None)


def _class_count(group: str | None, classes: Mapping[str, int]) -> int:
    return 1 if group is None else classes.get(group, 0)
