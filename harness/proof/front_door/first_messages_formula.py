"""Claims about first messages that are handed to links, as terms of z3."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from harness.proof.bitvectors.logic import Condition, Number, both, either, number, opposite
from harness.proof.front_door.claims import ANSWER, HANDED, INNER, REPLIED
from harness.proof.front_door.sides import Side
from harness.proof.front_door.statements import IPV4, IPV6, LO, ROOT

_VERSIONS = ((4, IPV4, "ip", 96), (6, IPV6, "ip6", 192))
"""Each version of IP, its number in ``meta nfproto``, its name in fields, and the bits of a first message's key."""


def notes_differ(side: Side) -> Condition:
    """True if a note of a first message is made, renewed or removed."""
    return either(side.differs(name, key) for _, name, key in _notes())


def is_asked(side: Side) -> Condition:
    """True if a link answers a first message that was handed to it, which it has not answered and then has."""
    found = []
    for version, family, protocol, _ in _VERSIONS:
        key = z3.Concat(side.datagram.fields[f"{protocol} daddr"], side.dport, side.sport, side.second)
        handed, replied, after = (
            contents.there[key]
            for contents in (
                side.walk.before[HANDED[version]],
                side.walk.before[REPLIED[version]],
                side.walk.after[REPLIED[version]],
            )
        )
        found.append(both(side.is_of(family), handed, opposite(replied), after))
    return both(side.is_udp, side.is_in(INNER, side.sport), side.has_second, either(found))


def is_handed_by_another(side: Side) -> Condition:
    """True if not the hub's process hands a message to a link or notes one, or another message changes a note."""
    fields = side.datagram.fields
    by_lo = both(side.is_udp, fields["meta oif"] == number(LO, 32))
    by_root = fields["meta skuid"] == number(ROOT, 32)
    hands = both(by_lo, by_root, side.is_in(INNER, side.dport), side.has_first)
    answers = both(side.is_udp, side.is_in(INNER, side.sport), side.is_kind(ANSWER), side.has_second)
    wrong = [both(by_lo, side.passes, side.is_in(INNER, side.final_dport), opposite(by_root))]
    families = {version: (family, protocol) for version, family, protocol, _ in _VERSIONS}
    for version, name, key in _notes():
        family, protocol = families[version]
        first = z3.Concat(fields[f"{protocol} saddr"], side.sport, side.dport, side.first)
        answered = z3.Concat(fields[f"{protocol} daddr"], side.dport, side.sport, side.second)
        there = side.walk.after[name].there[key]
        allowed = [both(hands, key == first, there if name == HANDED[version] else opposite(there))]
        if name == REPLIED[version]:
            allowed.append(both(answers, key == answered, there))
        wrong.append(both(side.differs(name, key), opposite(both(side.is_of(family), either(allowed)))))
    return either(wrong)


def _notes() -> Iterator[tuple[int, str, Number]]:
    """Version of IP, name and any key of each set of first messages."""
    for version, _, _, bits in _VERSIONS:
        for name in (HANDED[version], REPLIED[version]):
            yield version, name, z3.BitVec(f"key of {name}", bits)
