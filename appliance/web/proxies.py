"""Whose request it is where proxies stand before the service. Source: X-Forwarded-For as proxies write it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from appliance.model.addresses import Network
from appliance.model.hosts import parse_address

# Bits of the networks that providers give to one customer.
_CUSTOMERS_HAVE = (64, 56, 48)
# Each request asks several times of the address that it comes from.
_parsed = lru_cache(maxsize=1024)(parse_address)


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The first address from the right that is not a proxy of ours; what stands left of it may be invented.

    Args:
        peer: who opened the connection.
        forwarded: the header's value; several headers joined by commas.
        proxies: whose word is taken.
    """
    nearest = peer
    for text in reversed(forwarded.split(",")):
        if not is_one_of(nearest, proxies):
            break
        address = _address(text)
        if address is None:
            # Whoever is beyond is not known; what is known is the proxy that let it through.
            break
        nearest = str(address)
    return nearest


def is_one_of(text: str, networks: Sequence[Network]) -> bool:
    """Whether this is an address in one of these ranges."""
    address = _parsed(text)
    return address is not None and any(address in network for network in networks)


def neighbourhood(address: str) -> str:
    """The network that counts as one caller: of IPv6 the 64 bits that a customer is given, of which each host has as
    many as it likes."""
    return networks_of(address)[0]


@lru_cache(maxsize=1024)
def networks_of(address: str) -> tuple[str, ...]:
    """The networks that an address is counted with, from the narrowest to the widest.

    An IPv4 address is counted by itself. Of IPv6 a customer is given a /64, a /56 or a /48 (RIPE-690), and can call
    from each address in it.
    """
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return tuple(str(ip_network((parsed, length), strict=False)) for length in _CUSTOMERS_HAVE)
    return (str(parsed or address),)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """As it stands in the header: some proxies add the port."""
    text = text.strip()
    if text.startswith("["):
        return parse_address(text[1:].partition("]")[0])
    if text.count(":") == 1:
        return parse_address(text.partition(":")[0])
    return parse_address(text)
