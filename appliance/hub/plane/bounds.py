"""Bounds of tracked connections for a machine, an organization and all of them together: pure.

The kernel has one table for the host, with one limit (`nf_conntrack_max`), and would refuse everybody's new connections
when it is full.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

MACHINE, ORGANIZATION = 16_384, 65_536
_SHARE_OF_A_MACHINE, _SHARE_OF_AN_ORGANIZATION = 16, 4
"""One part in so many of the host's limit is the most, where the host's limit is small."""

ENOUGH_FOR_THE_HOST = ORGANIZATION * _SHARE_OF_AN_ORGANIZATION
"""From this limit of the host on, nobody's bound is smaller than it is documented."""


@dataclass(frozen=True)
class Bounds:
    """Most tracked connections that there may be.

    Attributes:
        machine: that one machine has opened.
        organization: of one organization.
        everybody: of all organizations together; what they leave of the host's limit is for bursts and for the host.
    """

    machine: int
    organization: int
    everybody: int

    @classmethod
    def of(cls, host_limit: int) -> Bounds:
        """The bounds on a host with this limit."""
        return cls(
            min(MACHINE, host_limit // _SHARE_OF_A_MACHINE),
            min(ORGANIZATION, host_limit // _SHARE_OF_AN_ORGANIZATION),
            host_limit * 3 // 4,
        )

    def level(self, counts: Collection[int]) -> int:
        """The bound of each organization where these are the connections of all.

        It is smaller than `organization` where all together have too many: the largest bound at which those within it,
        and the others if they had just as many, have no more than `everybody`.
        """
        room, remaining = self.everybody, len(counts)
        for count in sorted(counts):
            if count * remaining >= room:
                return min(self.organization, room // remaining)
            room, remaining = room - count, remaining - 1
        return self.organization


def still(count: int, bound: int, was_full: bool) -> bool:
    """Whether somebody with so many connections opens no more; who was full is so until an eighth is free again."""
    return count >= (bound - bound // 8 if was_full else bound)


def full_machines(
    counts: Mapping[IPv4Address, int], bound: int, were_full: Collection[IPv4Address]
) -> frozenset[IPv4Address]:
    """The machines that open no more.

    Args:
        counts: connections by the address that opened them.
        were_full: those that open none now.
    """
    return frozenset(address for address, count in counts.items() if still(count, bound, address in were_full))
