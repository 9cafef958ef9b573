"""Addresses on the command line, HOST:PORT, and sockets that listen there."""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address

import idna

_LAST_PORT = 65535

_AUTHORITY = re.compile(r"(\[[^\[\]]+\]|[^\[\]:/?#@\s]+)(?::([0-9]{1,5}))?")
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
    if port is not None and port > _LAST_PORT:
        raise ValueError("not a port")
    return host, port


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


def in_brackets(host: str) -> str:
    """Returns a host as it stands before a port: an IPv6 address in brackets (RFC 3986)."""
    return f"[{host}]" if ":" in host else host


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens.

    Args:
        host: name or address of this machine.
        port: port to listen on; 0 for any free one.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener
