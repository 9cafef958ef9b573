"""QR codes, read by independent programs, for names of all lengths."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

import pytest

from appliance.model.configuration import Configuration
from appliance.model.emails import LONGEST_EMAIL
from appliance.model.keys import new_key_pair
from appliance.model.names import LONGEST_NAME
from appliance.vault import codes
from appliance.web.pages import qr
from tests.appliance import scanner
from tests.appliance.web.pages.visitor import Visitor

SHOWN = 320
"""Pixels that a page gives a code; tests/browser measures it."""
LONGEST_HOST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
HUB_KEY = new_key_pair().public


def configuration(name: str, host: str = "vpn.example.net") -> Configuration:
    return Configuration(
        machine=name,
        organization=name,
        private_key=new_key_pair().private,
        address=IPv4Address("10.100.200.200"),
        network=IPv4Network("10.100.0.0/16"),
        hub_public_key=HUB_KEY,
        endpoint=f"{host}:51820",
    )


def assert_readable(text: str) -> None:
    found = scanner.read(scanner.drawn(qr.picture(text), SHOWN))
    assert found == {"zbar": [text], "zxing": [text]}


@pytest.mark.long
def test_qr_codes_with_names_of_any_length_are_readable() -> None:
    texts = [configuration("\U0001f30d" * length).without_comments() for length in range(1, LONGEST_NAME + 1)]
    assert len({len(text) for text in texts}) == 1
    for text in texts:
        assert_readable(text)


def test_qr_codes_leave_out_comments_only() -> None:
    made = configuration("# [Peer]")
    assert [line for line in made.text().splitlines() if not line.startswith("# ")] == (
        made.without_comments().splitlines()
    )


def test_a_qr_code_with_the_longest_endpoint_is_readable() -> None:
    assert_readable(configuration("laptop", LONGEST_HOST).without_comments())


@pytest.mark.parametrize("length", [13, 64, 128, LONGEST_EMAIL])
@pytest.mark.parametrize("letter", ["a", "é"])
def test_a_second_factor_s_qr_code_is_readable_for_any_address(letter: str, length: int) -> None:
    host = "@example.net"
    assert_readable(codes.provisioning_uri("A" * 32, letter * (length - len(host)) + host, "MeshWG"))


def test_the_page_s_qr_code_is_the_one_without_comments(owner: Visitor) -> None:
    page = owner.add_machine("M" * LONGEST_NAME)
    svg = re.search(r'<div class="qr".*?(<svg.*?</svg>)', page.text, re.DOTALL)
    shown = re.search(r'<pre class="file"[^>]*>(.*?)</pre>', page.text, re.DOTALL)
    assert svg is not None
    assert shown is not None
    wanted = "".join(line for line in shown[1].splitlines(keepends=True) if not line.startswith("#"))
    assert scanner.read(scanner.drawn(svg[1], SHOWN)) == {"zbar": [wanted], "zxing": [wanted]}
