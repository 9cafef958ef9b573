"""Address plan of the overlay network."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from appliance.model.errors import Invalid

Network = IPv4Network | IPv6Network

DEFAULT_NETWORK = IPv4Network("10.100.0.0/16")

# RFC 1918 and RFC 6598.
_PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
)
# Defaults of home routers and of phones that share their connection: AVM, Asus, Comcast, Google, GL.iNet, Huawei,
# Linksys, MikroTik, Netgear, Telekom, TP-Link, Windows' and Apple's sharing.
_HOME_NETWORKS = tuple(
    IPv4Network(text)
    for text in (
        "192.168.0.0/24",
        "192.168.1.0/24",
        "192.168.2.0/24",
        "192.168.8.0/24",
        "192.168.43.0/24",
        "192.168.50.0/24",
        "192.168.86.0/24",
        "192.168.88.0/24",
        "192.168.100.0/24",
        "192.168.137.0/24",
        "192.168.178.0/24",
        "10.0.0.0/24",
        "10.0.1.0/24",
        "10.1.10.0/24",
        "172.20.10.0/28",
    )
)
# ipaddress also takes netmasks, host masks and prefixes with leading zeros, which other programs read differently.
_RANGE = re.compile(r"[0-9.]{7,15}/(?:0|[1-9][0-9]?)")
QUIET_TIME = timedelta(hours=1)
"""Time for which the address of a removed machine is not given out again, so that packets and beliefs that were meant
for the old machine don't reach a new one."""

SHORTEST_PREFIX = 8
LONGEST_PREFIX = 28


def check_network(text: str) -> IPv4Network:
    """Parse the overlay network that an organization chose.

    Args:
        text: ``ADDRESS/PREFIX-LENGTH`` in its one canonical form.

    Raises:
        Invalid: not an IPv4 network, not within a private range, too large or too small, or with host bits set.
    """
    try:
        network = IPv4Network(text) if _RANGE.fullmatch(text) else None
    except ValueError:
        network = None
    if network is None:
        raise Invalid(
            "The network is not an IPv4 range like 10.100.0.0/16: an address with no host bits set, and the length of "
            "its prefix.",
            field="network",
        )
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise Invalid(
            "{network} is not within a private range (10/8, 172.16/12, 192.168/16, 100.64/10).",
            field="network",
            network=network,
        )
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise Invalid(
            "The network's prefix must be between /{shortest} and /{longest}.",
            field="network",
            shortest=SHORTEST_PREFIX,
            longest=LONGEST_PREFIX,
        )
    return network


def home_network_warning(network: IPv4Network) -> str | None:
    """Warning if many home networks overlap this overlay network, else None.

    A machine in such a home confuses its own network with the overlay.
    """
    overlapping = next((each for each in _HOME_NETWORKS if each.overlaps(network)), None)
    if overlapping is None:
        return None
    return (
        f"Many home networks have addresses of this range ({overlapping}): a machine in one of them can't reach "
        "both its own network and this one. A range can't be changed later; another one, like "
        f"{DEFAULT_NETWORK}, needs a new sign-up."
    )


def hub_address(network: IPv4Network) -> IPv4Address:
    """The hub's address: the first of the range."""
    return network.network_address + 1


def next_address(network: IPv4Network, *taken: Sequence[IPv4Address]) -> IPv4Address | None:
    """The lowest free machine address, from the second address of the range on.

    The search is logarithmic in the number of taken addresses.

    Args:
        taken: sorted lists of machine addresses (without the hub's). No address is in them twice.

    Returns:
        None if the range is full.
    """
    first = hub_address(network) + 1
    capacity = network.num_addresses - 3  # less the network's own, the hub's and the one for broadcasts

    def is_full(length: int) -> bool:
        """True if the first `length` addresses are all taken."""
        return sum(bisect_left(each, first + length) for each in taken) >= length

    # `is_full` turns false once and stays so, so bisection finds the turn. Of one address more than are taken, one is
    # free.
    longest = min(capacity, sum(map(len, taken)) + 1)
    free = bisect_left(range(1, longest + 1), True, key=lambda length: not is_full(length))
    return first + free if free < capacity else None
