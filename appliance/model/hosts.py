"""Host names and addresses in a canonical spelling that every program reads alike.

Sources: RFC 1123 (host names), RFC 5890 and UTS 46 (names beyond ASCII), RFC 3986 (brackets around IPv6 addresses), the
URL Standard (a name whose last label is a number is an address).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import idna

from appliance.model.port_ranges import HIGHEST_PORT

LONGEST_NAME = 253

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
# inet_aton(3), and so getaddrinfo(3), reads these as (parts of) an address: 10.1, 256.1.1.1, 0x7f000001.
_NUMBER_AT_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_BROADCAST = IPv4Address("255.255.255.255")
# RFC 5737, RFC 3849 and RFC 9637.
_FOR_DOCUMENTATION = (
    IPv4Network("192.0.2.0/24"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
)


def check_host(text: str) -> str:
    """The host in canonical form: a name in lower case and ASCII, or an address without brackets.

    Args:
        text: a host name (in Unicode or in its IDNA form), an IPv4 or an IPv6 address.

    Raises:
        ValueError: it is none of these. An IPv6 address with a zone is refused: a zone has a meaning on one host only.
    """
    address = parse_address(text)
    if address is not None:
        return str(address)
    name = text.lower() if text.isascii() else idna.encode(text, uts46=True, std3_rules=True).decode()
    name = name.removesuffix(".")
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or _NUMBER_AT_END.fullmatch(name):
        raise ValueError("not a host")
    if any(label.startswith("xn--") for label in name.split(".")):
        idna.decode(name)
    return name


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address; None if the text is no address or has a zone. IPv4-mapped IPv6 addresses become IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id is not None else address.ipv4_mapped or address


def address_literal(host: str) -> str:
    """Make the host part of an e-mail address: an IP address in brackets, with a tag for IPv6."""
    if parse_address(host) is None:
        return host
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


def split_authority(text: str) -> tuple[str, int | None]:
    """Split ``HOST[:PORT]``; an IPv6 address with a port has brackets.

    Raises:
        ValueError: not of that form, an invalid host (`check_host`), or a port outside 1 to 65535.
    """
    if parse_address(text) is not None:
        return check_host(text), None
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not isinstance(ip_address(host), IPv6Address):
            raise ValueError("not an IPv6 address in brackets")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.partition(":")
        rest = colon
    if not rest:
        return check_host(host), None
    if colon != ":":
        raise ValueError("something between host and port")
    return check_host(host), check_port(port)


def check_port(text: str) -> int:
    """Parse a port from 1 to 65535.

    Raises:
        ValueError: anything else, also digits beyond ASCII and leading zeros.
    """
    if not _PORT.fullmatch(text) or int(text) > HIGHEST_PORT:
        raise ValueError("not a port")
    return int(text)


def authority(host: str, port: int) -> str:
    """``HOST:PORT``, with an IPv6 address in brackets."""
    return f"{in_brackets(host)}:{port}"


def in_brackets(host: str) -> str:
    """The host as in a URL: an IPv6 address in brackets, anything else unchanged."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Endpoint:
    """The hub's public host and port, as configurations name them.

    Attributes:
        host: in the form of `check_host`.
        port: the public UDP port if it differs from the hub's own, for example behind a NAT; None for the hub's own.
    """

    host: str
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Parse ``HOST[:PORT]``.

        Raises:
            ValueError: not of that form (`split_authority`), or an address that no machine can send to.
        """
        host, port = split_authority(text)
        address = parse_address(host)
        if isinstance(address, IPv4Address) and (address in _THIS_NETWORK or address == _BROADCAST):
            raise ValueError("not the address of a host")
        if address is not None and (address.is_unspecified or address.is_multicast):
            raise ValueError("not the address of a host")
        return cls(host, port)

    def __str__(self) -> str:
        return in_brackets(self.host) if self.port is None else authority(self.host, self.port)

    def in_full(self, own_port: int) -> str:
        """``HOST:PORT``, as configurations name it, with the hub's own port as the default."""
        return authority(self.host, own_port if self.port is None else self.port)

    @property
    def warning(self) -> str | None:
        """Warning for the operator if machines elsewhere can't reach this host, else None."""
        kind = _local_kind(self.host)
        if kind is None:
            return None
        return f"Configurations name {self.host}, {kind}: machines elsewhere can't reach it."


def _local_kind(host: str) -> str | None:
    address = parse_address(host)
    if address is None:
        is_here = host == "localhost" or host.endswith(".localhost")
        return "which is this host itself for each machine" if is_here else None
    if any(address in network for network in _FOR_DOCUMENTATION if network.version == address.version):
        return "an address for documentation, which no host has"
    kinds = {
        "a loopback address, which is this host itself for each machine": address.is_loopback,
        "a link-local address": address.is_link_local,
        "a private or reserved address": not address.is_global or getattr(address, "is_site_local", False),
    }
    return next((kind for kind, holds in kinds.items() if holds), None)
