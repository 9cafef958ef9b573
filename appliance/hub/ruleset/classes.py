"""Classes of machines: those that a policy's groups can't tell apart."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from appliance.model.desired import Desired

NO_CLASS = 0x2
"""Of a machine that is in no group that a rule names."""

_FIRST_CLASS, _LAST_CLASS = 0x100, 0x7F_FFFF
"""The destination's class shares the packet's mark with one byte more."""


@dataclass(frozen=True)
class Classes:
    """Machines that the policy's groups can't tell apart share a class; a machine in no such group has `NO_CLASS`."""

    of_address: Mapping[IPv4Address, int]
    of_group: Mapping[str, tuple[int, ...]]


def classify(desired: Desired) -> Classes:
    """Sorts the machines into the classes that the policy's groups make."""
    mentioned = desired.policy.groups
    groups_of = {peer.address: peer.groups & mentioned for peer in desired.peers} if mentioned else {}
    numbers = _numbers({groups for groups in groups_of.values() if groups})
    of_group: defaultdict[str, list[int]] = defaultdict(list)
    for groups, number in numbers.items():
        for group in groups:
            of_group[group].append(number)
    return Classes(
        {address: numbers[groups] for address, groups in groups_of.items() if groups},
        {group: tuple(sorted(members)) for group, members in of_group.items()},
    )


def _numbers(classes: Iterable[frozenset[str]]) -> dict[frozenset[str], int]:
    """A number for each, by its groups alone: that another class comes or goes renumbers none, but for collisions."""
    by_text = {"\n".join(sorted(groups)): groups for groups in classes}
    numbers: dict[frozenset[str], int] = {}
    taken: set[int] = set()
    for text in sorted(by_text):
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        number = _FIRST_CLASS + int.from_bytes(digest, "big") % (_LAST_CLASS - _FIRST_CLASS)
        while number in taken:
            number += 1
        taken.add(number)
        numbers[by_text[text]] = number
    return numbers
