"""Parsers of the addresses on the command line: URL of a service, and address to listen on."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import idna

LAST_PORT = 65535

_AUTHORITY = re.compile(r"(\[[^\[\]]+\]|[^\[\]:/?#@\s]+)(?::([0-9]{1,5}))?")
_URL = re.compile(r"https://([^/]+)/?")
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Programs read a name with a number as its last label as an IPv4 address.
_NUMBER_AT_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


def parse(text: str) -> tuple[str, int | None]:
    """Splits ``HOST[:PORT]``, where an IPv6 address stands in brackets.

    Returns:
        The host in ASCII and without brackets, and the port, 0 to 65535; None without one.

    Raises:
        ValueError: the text has another form.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise ValueError("not HOST[:PORT]")
    host, port = _host(found[1]), None if found[2] is None else int(found[2])
    if port is not None and port > LAST_PORT:
        raise ValueError("not a port")
    return host, port


def service_url(text: str) -> str:
    """Normalizes the URL of a service, ``https://HOST[:PORT]``, to a host in ASCII.

    Raises:
        ValueError: the text has another form, or the port is 0.
    """
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("not https://HOST[:PORT]")
    host, port = parse(found[1])
    if port == 0:
        raise ValueError("no service has port 0")
    return f"https://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"


def _host(text: str) -> str:
    if text.startswith("["):
        address = IPv6Address(text[1:-1])
        if address.scope_id is not None:
            raise ValueError("a zone means something to one host only")
        return str(address)
    name = text.lower() if text.isascii() else idna.encode(text, uts46=True, std3_rules=True).decode()
    if _NUMBER_AT_END.fullmatch(name):
        return str(IPv4Address(text))
    if not _NAME.fullmatch(name.removesuffix(".")):
        raise ValueError("not a host name")
    return name.removesuffix(".")
