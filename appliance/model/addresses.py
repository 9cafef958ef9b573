"""The overlay network's address plan."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, NetmaskValueError

from appliance.model.errors import Invalid

Network = IPv4Network | IPv6Network

DEFAULT_NETWORK = IPv4Network("10.100.0.0/16")

# RFC 1918 and RFC 6598: ranges that no host on the internet has.
_PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
)
QUIET_TIME = timedelta(hours=1)
"""How long nobody gets an address that a removed machine had: what others still send there, or believe of it, must not
meet a stranger."""

SHORTEST_PREFIX = 8
LONGEST_PREFIX = 28


def check_network(text: str) -> IPv4Network:
    """An overlay network that an organization may choose.

    Raises:
        Invalid: not an IPv4 network, not within a private range, too small for machines, or with host bits set.
    """
    try:
        network = IPv4Network(text.strip())
    except (AddressValueError, NetmaskValueError, ValueError):
        raise Invalid(
            "The network is not an IPv4 range like 10.100.0.0/16 with no host bits set.", field="network"
        ) from None
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise Invalid(
            f"{network} is not within a private range (10/8, 172.16/12, 192.168/16, 100.64/10).", field="network"
        )
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise Invalid(
            f"The network's prefix must be between /{SHORTEST_PREFIX} and /{LONGEST_PREFIX}.", field="network"
        )
    return network


def hub_address(network: IPv4Network) -> IPv4Address:
    """The hub has the range's first address."""
    return network.network_address + 1


def next_address(network: IPv4Network, *taken: Sequence[IPv4Address]) -> IPv4Address | None:
    """The lowest free machine address; the range's second address is the first machine's.

    It takes a handful of comparisons, however many addresses are taken.

    Args:
        taken: addresses that machines can have (not the hub's), in lists of which each is sorted. No address is in
            them twice.

    Returns:
        None where every address of the range is taken.
    """
    first = hub_address(network) + 1
    capacity = network.num_addresses - 3  # less the network's own, the hub's and the one for broadcasts

    def is_full(length: int) -> bool:
        """Whether the first so many addresses are all taken."""
        return sum(bisect_left(each, first + length) for each in taken) >= length

    # They are up to some length and not from there on, so there is no need to look at each.
    free = bisect_left(range(1, capacity + 1), True, key=lambda length: not is_full(length))
    return first + free if free < capacity else None
