"""Policies drawn by chance that have a rule of every kind."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import cycle, islice, permutations, product

from harness.overlay.mesh import Rule

GROUPS = ("red", "blue")
_LAST_PORT = 65535
_PORTS = 12
# Six rules with twelve ports are more than one lookup of the hub holds, so that it spreads them over buckets.
_PAIRS = 6
_SERVICES = 20
_GROUP_RULES = 4


def groups_of(number: int) -> list[str]:
    """Groups of a machine by its number; each combination occurs among four in a row."""
    return [name for at, name in enumerate(GROUPS) if number >> at & 1]


def draw_groups(chance: random.Random, names: Sequence[str]) -> list[str]:
    """Draws the groups of a machine, one to three."""
    return chance.sample(names, chance.randint(1, 3))


def defaults(chance: random.Random, number: int) -> list[str]:
    """Draws default actions, each as often as the other."""
    return chance.sample(["allow", "deny"] * ((number + 1) // 2), number)


def draw_rules(
    chance: random.Random, machines: Sequence[str], number: int = 15, groups: Sequence[str] = GROUPS
) -> list[Rule]:
    """Draws rules between all kinds of ends, with all protocols, single ports and ranges.

    Args:
        machines: ids of four machines at least.
        number: rules; 15 have a rule of every kind.
        groups: names of groups.
    """
    names = [f"machine:{each}" for each in machines]
    rules = [
        {**_rule("allow", *ends), "protocol": "tcp", "ports": _ports(chance, _PORTS)}
        for ends in chance.sample(list(permutations(names, 2)), _PAIRS)
    ]
    # Policies speak of the same services again and again.
    services = [_ports(chance, chance.randrange(1, 5)) for _ in range(_SERVICES)]
    kinds = (names, [f"group:{each}" for each in groups], ["any"])
    for sources, destinations in islice(cycle(product(kinds, repeat=2)), number - len(rules)):
        # Without ports a rule for everybody could decide everything.
        limits = {"protocol": "udp", "ports": chance.choice(services)} if "any" in sources else chance.choice(_LIMITS)
        action = chance.choice(("allow", "deny"))
        rules.append({**_rule(action, chance.choice(sources), chance.choice(destinations)), **limits})
    return chance.sample(rules, len(rules))


_LIMITS: tuple[dict[str, str], ...] = (
    {"protocol": "tcp"},
    {"protocol": "udp"},
    {"protocol": "icmp"},
    {"protocol": "tcp", "ports": "22"},
    {"protocol": "udp", "ports": "53,5000-5999"},
)


def _rule(action: str, source: str, destination: str) -> Rule:
    return {"action": action, "source": source, "destination": destination}


def _ports(chance: random.Random, number: int) -> str:
    """Ranges that don't meet; every other one is a single port."""
    ends = sorted(chance.sample(range(1, _LAST_PORT, 2), 2 * number))
    ranges = zip(ends[::2], ends[1::2], strict=True)
    return ",".join(f"{first}-{last}" if number % 2 else str(first) for number, (first, last) in enumerate(ranges))


def draw_many(chance: random.Random, live: Sequence[str], others: Sequence[str], number: int) -> list[Rule]:
    """Draws rules between single machines about few ports each, so that no rule decides much, and some for groups.

    Args:
        live: ids of machines; a third of the rules is between two of them, another third names one of them.
        others: ids of the other machines.
        number: rules.
    """
    rules = []
    for at in range(number - _GROUP_RULES):
        ends = (live, live if at % 3 == 0 else others) if at % 3 < 2 else (others, others)
        source, destination = chance.sample([chance.choice(ends[0]), chance.choice(ends[1])], 2)
        rule = _rule(chance.choice(("allow", "deny")), f"machine:{source}", f"machine:{destination}")
        limits = {"protocol": chance.choice(("tcp", "udp")), "ports": _ports(chance, chance.randrange(1, 4))}
        rules.append(rule | limits)
    for _ in range(_GROUP_RULES):
        source, destination = (f"group:{chance.choice(GROUPS)}" for _ in range(2))
        rules.append(_rule(chance.choice(("allow", "deny")), source, destination) | {"protocol": "udp", "ports": "53"})
    return chance.sample(rules, len(rules))
