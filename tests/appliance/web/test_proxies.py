"""Whom a request is counted to, with proxies in between and people who invent some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Any

import pytest

from appliance.web.proxies import behind, client_address

PROXIES = [ip_network("192.0.2.0/24"), ip_network("2001:db8:5::/48")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", "203.0.113.5", "198.51.100.1"),
        ("192.0.2.1", "203.0.113.5", "203.0.113.5"),
        ("::ffff:192.0.2.1", "203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "10.0.0.1, 127.0.0.1, 203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "203.0.113.5, 192.0.2.9", "203.0.113.5"),
        ("192.0.2.1", "203.0.113.5,2001:db8:5::9 , 192.0.2.9", "203.0.113.5"),
        ("192.0.2.1", "192.0.2.7, 192.0.2.9", "192.0.2.7"),
        ("192.0.2.1", "203.0.113.5:4711", "203.0.113.5"),
        ("192.0.2.1", "[2001:db8:7::1]:4711", "2001:db8:7::1"),
        ("192.0.2.1", "[2001:db8:7::1]", "2001:db8:7::1"),
        ("192.0.2.1", "2001:db8:7::1", "2001:db8:7::1"),
        ("192.0.2.1", "::ffff:203.0.113.5", "203.0.113.5"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.5, unknown", "192.0.2.1"),
        ("192.0.2.1", "203.0.113.5, <script>, 192.0.2.9", "192.0.2.9"),
        ("192.0.2.1", ",,,", "192.0.2.1"),
        ("", "203.0.113.5", ""),
    ],
)
def test_the_first_from_the_right_that_is_no_proxy(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


def seen_by_the_application(proxies: list[Any], environ: dict[str, str]) -> str:
    seen: list[str] = []

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        del start
        seen.append(environ["REMOTE_ADDR"])
        return [b""]

    assert list(behind(proxies, application)(dict(environ), lambda *_: None)) == [b""]
    return seen[0]


def test_the_application_sees_whom_a_trusted_proxy_speaks_for() -> None:
    request = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "203.0.113.5"}
    assert seen_by_the_application(PROXIES, request) == "203.0.113.5"


def test_without_proxies_no_header_is_believed() -> None:
    for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP"):
        assert seen_by_the_application([], {"REMOTE_ADDR": "192.0.2.1", name: "203.0.113.5"}) == "192.0.2.1"
