"""Addresses of clients, also behind proxies, and the networks around them. Source: X-Forwarded-For of proxies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from appliance.model.addresses import Network
from appliance.model.hosts import parse_address

# Prefix lengths of the networks that providers assign to one customer.
_CUSTOMERS_HAVE = (64, 56, 48)
# Each request needs its address parsed several times.
_parsed = lru_cache(maxsize=1024)(parse_address)


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Find the client's address: the first one from the right that is no trusted proxy, as the rest may be forged.

    Args:
        peer: address that opened the connection.
        forwarded: value of X-Forwarded-For; several headers joined by commas.
        proxies: ranges of trusted proxies.
    """
    if not forwarded:
        return peer
    nearest = peer
    for text in reversed(forwarded.split(",")):
        if not is_one_of(nearest, proxies):
            break
        address = _address(text)
        if address is None:
            # The address before this proxy is unreadable, so the proxy counts as the client.
            break
        nearest = str(address)
    return nearest


def is_one_of(text: str, networks: Sequence[Network]) -> bool:
    """True if this is an address in one of these ranges."""
    address = _parsed(text)
    return address is not None and any(address in network for network in networks)


def neighbourhood(address: str) -> str:
    """Get the network that counts as one caller: for IPv6 a /64, in which a host can take any number of addresses."""
    return networks_of(address)[0]


@lru_cache(maxsize=1024)
def networks_of(address: str) -> tuple[str, ...]:
    """List the networks that an address is counted for, from the narrowest to the widest.

    An IPv4 address counts by itself. An IPv6 customer has a /64, a /56 or a /48 (RIPE-690), and can call from each
    address in it.
    """
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return tuple(str(ip_network((parsed, length), strict=False)) for length in _CUSTOMERS_HAVE)
    return (str(parsed or address),)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address of the header, to which some proxies add the port."""
    text = text.strip()
    if text.startswith("["):
        return parse_address(text[1:].partition("]")[0])
    if text.count(":") == 1:
        return parse_address(text.partition(":")[0])
    return parse_address(text)
