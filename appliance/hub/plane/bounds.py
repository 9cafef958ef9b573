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
"""Divisors of the host's limit, whose quotients bound machine and organization where that limit is small."""

ENOUGH_FOR_THE_HOST = ORGANIZATION * _SHARE_OF_AN_ORGANIZATION
"""Limit of the host from which on every bound has its documented size."""


@dataclass(frozen=True)
class ConnectionBounds:
    """Largest numbers of tracked connections.

    Attributes:
        machine: connections opened by one machine.
        organization: connections of one organization.
        everybody: connections of all organizations; the rest of the host's limit is for bursts and for the host.
    """

    machine: int
    organization: int
    everybody: int

    @classmethod
    def of(cls, host_limit: int) -> ConnectionBounds:
        """Compute the bounds for a host with this limit."""
        return cls(
            min(MACHINE, host_limit // _SHARE_OF_A_MACHINE),
            min(ORGANIZATION, host_limit // _SHARE_OF_AN_ORGANIZATION),
            host_limit * 3 // 4,
        )

    def level(self, counts: Collection[int]) -> int:
        """Compute the bound of each organization from the numbers of connections of all.

        It is smaller than `organization` if all together have too many: the largest bound for which the sum, with
        each organization's number capped at the bound, is no more than `everybody`.
        """
        room, remaining = self.everybody, len(counts)
        for count in sorted(counts):
            if count * remaining >= room:
                return min(self.organization, room // remaining)
            room, remaining = room - count, remaining - 1
        return self.organization


def is_full(count: int, bound: int, was_full: bool) -> bool:
    """Tell whether the bound is reached; once reached, it stays so until an eighth is free again."""
    return count >= (bound - bound // 8 if was_full else bound)


def full_machines(
    counts: Mapping[IPv4Address, int], bound: int, were_full: Collection[IPv4Address]
) -> frozenset[IPv4Address]:
    """Find the machines that have reached the bound.

    Args:
        counts: numbers of connections by the address that opened them.
        were_full: machines that had reached it before.
    """
    return frozenset(address for address, count in counts.items() if is_full(count, bound, address in were_full))
