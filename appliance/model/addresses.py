"""The overlay network's address plan."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, NetmaskValueError

from appliance.model.errors import Conflict, Invalid

Network = IPv4Network | IPv6Network

DEFAULT_NETWORK = IPv4Network("10.100.0.0/16")

# RFC 1918 and RFC 6598: ranges that no host on the internet has.
_PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
)
SHORTEST_PREFIX = 8
LONGEST_PREFIX = 29


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


def next_address(network: IPv4Network, taken: Collection[IPv4Address]) -> IPv4Address:
    """The lowest free machine address; the range's second address is the first machine's.

    Raises:
        Conflict: every address of the range is taken.
    """
    occupied = frozenset(taken)
    candidate = hub_address(network) + 1
    last = network.broadcast_address - 1
    while candidate <= last:
        if candidate not in occupied:
            return candidate
        candidate += 1
    raise Conflict(f"Every address of {network} is taken.", field="network")
