"""Addresses of clients behind proxies, and forged ones."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from appliance.web.proxies import client_address

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
def test_the_client_is_the_rightmost_address_that_is_no_proxy(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client
