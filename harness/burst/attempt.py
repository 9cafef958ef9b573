"""What became of each organization of a burst, and what two of them have that only one may. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Attempt:
    """What became of one organization.

    Attributes:
        number: its place in the burst.
        began_ns, ended_ns: on the monotonic clock: its sign-up was sent, and all of it was done with, clients included.
        seconds: from the beginning of the sign-up until each machine had heard the other; None if they did not.
        error: the first thing that went wrong, or None.
        hub_key: its hub's public key; "" if it never came that far.
        addresses: of its machines in the overlay network.
        port: UDP port of its link in the hub's host, which is not the one that all share; None if nobody saw it.
        existed_ns: a stretch in which the organization surely was there; without an end if it still is.
    """

    number: int
    began_ns: int
    ended_ns: int
    seconds: float | None = None
    error: str | None = None
    hub_key: str = ""
    addresses: tuple[str, ...] = ()
    port: int | None = None
    existed_ns: tuple[int, int | None] | None = None


def collisions(attempts: Sequence[Attempt]) -> list[str]:
    """Each thing that two have and only one may, in words.

    An address is one machine's within its organization, a hub key one organization's for good, and a link's port one
    organization's for as long as it exists.
    """
    found = [
        f"organization {each.number} has {address} for {each.addresses.count(address)} of its machines"
        for each in attempts
        for address in sorted(set(each.addresses))
        if each.addresses.count(address) > 1
    ]
    for one, other in _pairs_with_equal(attempts, lambda each: each.hub_key or None):
        found.append(f"organizations {one.number} and {other.number} have the same hub key")
    for one, other in _pairs_with_equal(attempts, lambda each: each.port):
        if _existed_together(one, other):
            found.append(f"the links of organizations {one.number} and {other.number} have port {one.port}")
    return found


def _pairs_with_equal(
    attempts: Sequence[Attempt], key: Callable[[Attempt], Hashable | None]
) -> Iterator[tuple[Attempt, Attempt]]:
    groups = defaultdict(list)
    for each in attempts:
        if (value := key(each)) is not None:
            groups[value].append(each)
    for group in groups.values():
        yield from combinations(group, 2)


def _existed_together(one: Attempt, other: Attempt) -> bool:
    if one.existed_ns is None or other.existed_ns is None:
        return False
    latest = max(one.existed_ns[0], other.existed_ns[0])
    return all(end is None or latest <= end for _, end in (one.existed_ns, other.existed_ns))
