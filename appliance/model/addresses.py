"""The overlay network's address plan."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Network

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
# What routers for homes and phones that share their connection come with: AVM, Asus, Comcast, Google, GL.iNet, Huawei,
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
# ipaddress takes a netmask, a host mask and a prefix with zeros in front too, each of which somebody reads otherwise.
_RANGE = re.compile(r"[0-9.]{7,15}/(?:0|[1-9][0-9]?)")
QUIET_TIME = timedelta(hours=1)
"""How long nobody gets an address that a removed machine had: what others still send there, or believe of it, must not
meet a stranger."""

SHORTEST_PREFIX = 8
LONGEST_PREFIX = 28


def check_network(text: str) -> IPv4Network:
    """An overlay network that an organization may choose.

    Args:
        text: ``ADDRESS/PREFIX-LENGTH`` and nothing around it, as it is shown again.

    Raises:
        Invalid: not an IPv4 network, not within a private range, too small for machines, or with host bits set.
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
            f"{network} is not within a private range (10/8, 172.16/12, 192.168/16, 100.64/10).", field="network"
        )
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise Invalid(
            f"The network's prefix must be between /{SHORTEST_PREFIX} and /{LONGEST_PREFIX}.", field="network"
        )
    return network


def home_network_warning(network: IPv4Network) -> str | None:
    """Say that many homes have addresses of this overlay network, where they do.

    A machine in such a home sends to its own network what is meant for the overlay, or the other way round.
    """
    found = next((each for each in _HOME_NETWORKS if each.overlaps(network)), None)
    if found is None:
        return None
    return (
        f"Many home networks have addresses of this range ({found}): a machine in one of them can't reach both its own "
        "network and this one. A range can't be changed later; another one, like "
        f"{DEFAULT_NETWORK}, takes another sign-up."
    )


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

    # They are up to some length and not from there on, so there is no need to look at each; of one address more than
    # are taken, one is free.
    longest = min(capacity, sum(map(len, taken)) + 1)
    free = bisect_left(range(1, longest + 1), True, key=lambda length: not is_full(length))
    return first + free if free < capacity else None
