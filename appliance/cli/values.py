"""Parsers of options' texts.

Each raises ValueError for an invalid text; `option_table` describes valid ones.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

from appliance.model.addresses import Network
from appliance.model.hosts import (
    Endpoint,
    authority,
    check_host,
    check_port,
    in_brackets,
    parse_address,
    split_authority,
)

_T = TypeVar("_T")
SHORTEST_TOKEN = 16
"""Fewest characters of a token; shorter ones could be guessed."""

_URL = re.compile(r"https://([^/]+)/?")
_LINK = re.compile(r"https://([^/?#]+)(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?", re.ASCII)
_LONGEST_LINK = 500
_HTTPS = 443
_LINK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_RANGE = re.compile(r"[0-9a-fA-F.:]+(?:/(?:0|[1-9][0-9]{0,2}))?")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
"""Hosts to listen on that mean every address."""
_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL = "postgresql+psycopg"


def path(text: str) -> Path:
    """Parse a path, and make it absolute and without links; ``~`` is the user's home."""
    if not text or not text.isprintable():
        raise ValueError("not a path that can be shown")
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, OSError):
        raise ValueError("a user without a home, or links in a circle") from None


def folder(text: str) -> Path:
    """Parse the folder of a SQLite store; a question mark would end the path in the store's URL."""
    if "?" in text:
        raise ValueError("a question mark")
    return path(text)


def listen(text: str) -> tuple[str, int]:
    """Parse host and port to listen on; an empty host means every IPv4 address."""
    if text.startswith(":"):
        return EVERYWHERE[0], check_port(text[1:])
    host, port = split_authority(text)
    if port is None:
        raise ValueError("no port")
    if host not in EVERYWHERE:
        Endpoint.parse(host)
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise ValueError("no host of this machine") from None
    return host, port


def host_and_port(text: str) -> tuple[str, int]:
    """Parse the host and port of a service elsewhere."""
    host, port = split_authority(text)
    if port is None:
        raise ValueError("no port")
    return check_host(host), port


def dns_name(text: str) -> str:
    """Parse a host's name, which is no address."""
    if parse_address(text) is not None:
        raise ValueError("an address")
    return check_host(text)


def address(text: str) -> str:
    """Parse an address of one host."""
    found = parse_address(text)
    if found is None:
        raise ValueError("no address")
    return str(found)


def announcement(text: str) -> tuple[str, str]:
    """Parse how an address is announced, to a word and its link or program."""
    how, _, by = text.partition(":")
    if how in ("lan", "link") and _LINK_NAME.fullmatch(by):
        return how, by
    if how == "command" and by.startswith("/") and by.isprintable():
        return how, by
    raise ValueError("no way to announce an address")


def site(text: str) -> str:
    """Parse the origin of the pages, as browsers write it: without the default port and without a slash at the end."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("not an origin")
    endpoint = Endpoint.parse(found[1])
    return origin(endpoint.host, endpoint.port or _HTTPS)


def origin(host: str, port: int) -> str:
    """Make the origin of pages at this host and port."""
    return f"https://{in_brackets(host)}" if port == _HTTPS else f"https://{authority(host, port)}"


def database_url(text: str) -> str:
    """Parse the URL of a SQLite file or a PostgreSQL database."""
    # Nearly all services have no such option, and `up` starts its processes sooner without this library.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("not a URL") from None
    if not text.isprintable():
        raise ValueError("not a URL that can be shown")
    if url.drivername in _SQLITE:
        if url.query or url.host or url.username or not (url.database or "").startswith("/"):
            raise ValueError("not a file")
        return text
    if url.drivername not in ("postgresql", _POSTGRESQL):
        raise ValueError("another database")
    if url.port is not None:
        check_port(str(url.port))
    return url.set(drivername=_POSTGRESQL).render_as_string(hide_password=False)


def network(text: str) -> Network:
    """Parse a range of addresses, or a single address."""
    if not _RANGE.fullmatch(text):
        raise ValueError("not a range")
    return ip_network(text)


def number(least: int, most: int) -> Callable[[str], int]:
    """Make a parser of whole numbers between two bounds, both included."""

    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError("not such a number")
        return int(text)

    return parse


def one_of(choices: Mapping[str, _T]) -> Callable[[str], _T]:
    """Make a parser of words, each of which stands for a choice."""

    def parse(text: str) -> _T:
        if text not in choices:
            raise ValueError("none of the choices")
        return choices[text]

    return parse


def token(text: str) -> str:
    """Parse a secret that programs send in a header."""
    if len(text) < SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not a token")
    return text


def relay(text: str) -> str:
    """Check the URL of a mail relay."""
    # Most commands have nothing to do with mail, whose libraries take long to load.
    from appliance.mail import Relay

    Relay.parse(text, "meshwg@localhost")
    return text


def link(text: str) -> str:
    """Parse the URL of a public page, with a path or without one."""
    found = _LINK.fullmatch(text)
    if found is None or len(text) > _LONGEST_LINK:
        raise ValueError("no URL of a page")
    Endpoint.parse(found[1])
    return text


def contact(text: str) -> str:
    """Parse whom people write to, an e-mail address or the URL of a page, to a URI."""
    if text.startswith("https://"):
        return link(text)
    return f"mailto:{sender(text.removeprefix('mailto:'))}"


def sender(text: str) -> str:
    """Parse the address that letters come from."""
    from appliance.mail.relay import check_sender

    return check_sender(text)
