"""Lookups that are spread over buckets of a hash, without a class of packets for each bucket.

Each bucket's chain takes the packets of all buckets. Most of them fare alike in all chains, those that no element
matches; the few others are cut to the bucket that leads to the chain. What is left has the usual outcome.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from math import prod

from harness.proof.buckets import HashTable
from harness.proof.classes import PacketClass
from harness.proof.fields import Variable
from harness.proof.meaning import compared_bits
from harness.proof.partition import partition
from harness.proof.ruleset import Hash, Limited, Match, NoTrack, Statement, Table, Verdict, parts_of

Outcome = tuple[str, PacketClass]
"""Effect of a rule on a class, in a word, and the class afterwards."""
OfBuckets = tuple[Collection[int], Sequence[Outcome]]
"""Numbers of buckets, and the outcomes of packets that are in one of them."""


def is_plain(table: Table, verdict: Verdict) -> bool:
    """Tells whether a verdict leads to chains in which each packet has one outcome and stays of its flow."""
    chains = table.reached_from(verdict.chain) if verdict.chain else ()
    return all(_is_plain(each) for chain in chains for rule in chain.rules for each in rule.statements)


def _is_plain(statement: Statement) -> bool:
    if isinstance(statement, (Limited, NoTrack)):
        return False
    if isinstance(statement, Match) and compared_bits(statement) is not None:
        return False
    # Packets of many addresses may be in any bucket.
    return not any(isinstance(part, Hash) for part in parts_of(statement))


def cut_to_buckets(packets: Iterable[PacketClass], by_buckets: Iterable[OfBuckets], table: HashTable) -> list[Outcome]:
    """Outcomes of packets, each by the bucket that it is in.

    Args:
        packets: classes that differ in their sets alone, of packets whose buckets are known.
        by_buckets: all buckets, each with the one outcome that each of these packets has there.
    """
    several = list(by_buckets)
    usual, like = _usual(outcomes for _, outcomes in several)
    found = [
        (kind, part)
        for numbers, outcomes in several
        for kind, each in outcomes
        if kind != usual or each[1:] != like[1:]
        for part, number in table.split(each)
        if number in numbers
    ]
    others = [part for _, part in found]
    rest = [like._replace(sets=left.sets) for each in packets for left in _without(each, others)]
    return [*found, *((usual, each) for each in rest)]


def _usual(outcomes: Iterable[Sequence[Outcome]]) -> Outcome:
    """The outcome that most packets have; its class is one that differs from others in its sets alone."""
    sizes: Counter[object] = Counter()
    first: dict[object, Outcome] = {}
    for some in outcomes:
        for kind, each in some:
            sizes[kind, each[1:]] += prod(map(int.bit_count, each.sets))
            first.setdefault((kind, each[1:]), (kind, each))
    return first[max(sizes, key=sizes.__getitem__)]


def _without(packets: PacketClass, others: Iterable[PacketClass]) -> Iterator[PacketClass]:
    """The packets of a class that are in none of some others."""
    sets = packets.sets
    met = [each.sets for each in others if _meet(sets, each.sets)]
    if not met:
        yield packets
        return
    # Only what some of them restricts has to be cut.
    cut = [at for at in Variable if any(sets[at] & ~each[at] for each in met)]
    for box, other in partition(tuple(sets[at] for at in cut), [(tuple(each[at] for at in cut), True) for each in met]):
        if other is None:
            yield packets.with_sets(dict(zip(cut, box, strict=True)))


def _meet(one: Sequence[int], other: Sequence[int]) -> bool:
    return all(atoms & others for atoms, others in zip(one, other, strict=True))
