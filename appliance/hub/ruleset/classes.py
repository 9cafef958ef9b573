"""Classes of machines that a policy's groups don't distinguish."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from appliance.model.desired import Desired

NO_CLASS = 0x2
"""Class of machines in no group that a rule names."""

_FIRST_CLASS, _LAST_CLASS = 0x100, 0x7F_FFFF
"""The destination's class shares the packet's mark with one byte more."""


@dataclass(frozen=True)
class Classes:
    """Machines with the same groups share a class; a machine in no group of the policy has `NO_CLASS`."""

    of_address: Mapping[IPv4Address, int]
    of_group: Mapping[str, tuple[int, ...]]


def classify(desired: Desired) -> Classes:
    """Sort the machines into classes by the policy's groups."""
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
    """Number each class by a hash of its groups, so that other classes change no number but for collisions."""
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
