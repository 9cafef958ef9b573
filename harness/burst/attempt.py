"""Result of each organization of a burst, and collisions between organizations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Attempt:
    """Result of one organization.

    Attributes:
        number: number within the burst, from 0.
        began_ns: time just before its sign-up was sent, on the monotonic clock.
        ended_ns: time when its clients were down again, on the monotonic clock.
        seconds: time from sign-up until each machine had received a packet of the other; None if they did not.
        error: first error, or None.
        hub_key: public key of its hub; "" if it got none.
        addresses: overlay addresses of its machines.
        port: UDP port of its link in the hub's host, behind the port that all share; None if not seen.
        waits: number of answers that asked its owner to try again a moment later.
        existed_ns: begin and end of a time in which the organization certainly existed; no end if it was kept.
    """

    number: int
    began_ns: int
    ended_ns: int
    seconds: float | None = None
    error: str | None = None
    hub_key: str = ""
    addresses: tuple[str, ...] = ()
    port: int | None = None
    waits: int = 0
    existed_ns: tuple[int, int | None] | None = None


def collisions(attempts: Sequence[Attempt]) -> list[str]:
    """Returns a sentence for each thing that two have and only one may.

    An address belongs to one machine of its organization, a hub key to one organization for ever, and a link's port to
    one organization for as long as it exists.
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
