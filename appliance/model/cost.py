"""Cost of a policy to the data plane, known without expanding it.

The data plane looks packets up by their ends and ports. Each pair of ends that a rule speaks of, with each of its
ranges of ports, is an element of a lookup. An end that is a group counts once for each class of its machines: those
that the policy's groups can't tell apart are one class. Where the ports of several rules for the same ends overlap, the
data plane cuts ranges into pieces, at most twice as many as there were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from appliance.model.policy import Policy, Rule

MOST_ELEMENTS = 40_000
"""Most elements of one organization. So many take the data plane about one second to make from nothing."""

_OF_A_CLASSIFIED_MACHINE = 2
"""Machines are looked up by address to find the class of either end."""


def count_classes(machines: Iterable[frozenset[str]], groups: Collection[str]) -> tuple[Counter[str], int]:
    """Count the classes that each of these groups has, and the machines in any of these groups.

    Args:
        machines: the groups of each.
    """
    if not groups:
        return Counter(), 0
    wanted = frozenset(groups)
    found = Counter(of_machine & wanted for of_machine in machines)
    found.pop(frozenset(), None)
    return Counter(group for each in found for group in each), found.total()


def count_elements(policy: Policy, classes: Mapping[str, int], classified: int) -> int:
    """The most elements that a policy comes to.

    Args:
        classes: of each group, as `count_classes` gives them.
        classified: how many machines are in any of these groups.
    """
    total = _OF_A_CLASSIFIED_MACHINE * classified
    for (source, destination), weights in policy.weights.items():
        # A rule for groups that no machine is in still has its counter.
        total += weights * max(1, _ways(source, classes) * _ways(destination, classes))
    return total


def heaviest(policy: Policy, classes: Mapping[str, int]) -> tuple[Rule, int] | None:
    """The rule with the most elements, and how many; None where there is no rule."""
    counted = (
        (rule, rule.weight * max(1, _ways(rule.source.group, classes) * _ways(rule.destination.group, classes)))
        for rule in policy.rules
    )
    return max(counted, key=lambda each: each[1], default=None)


def _ways(group: str | None, classes: Mapping[str, int]) -> int:
    return 1 if group is None else classes.get(group, 0)
