"""Instructions for each platform: whole, and without the private key."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import pytest

from appliance.model.configuration import Configuration
from appliance.model.keys import new_key_pair
from appliance.model.organization import Role
from appliance.web.pages.platforms import PLATFORMS, Platform, values
from appliance.web.pages.words import emphasis_parts, filled
from tests.appliance.web.pages.visitor import Visitor

NAMES = {
    *("Linux", "Windows", "macOS", "iPhone and iPad", "Android", "OpenWrt", "MikroTik", "UniFi", "OPNsense", "pfSense"),
    *("FRITZ!Box", "Another router with a form"),
}
EACH = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.id)
KEYS = new_key_pair()
MADE = Configuration(
    "m", "o", KEYS.private, IPv4Address("10.9.0.5"), IPv4Network("10.9.0.0/24"), KEYS.public, "hub.example.net:443"
)
KNOWN = values(MADE, "m.conf")


def test_no_platform_is_missing_or_twice() -> None:
    assert {each.name for each in PLATFORMS} == NAMES
    assert len({each.id for each in PLATFORMS}) == len(PLATFORMS)


@EACH
def test_every_text_is_filled_in(platform: Platform) -> None:
    for text in (*platform.steps, *platform.limits):
        assert text.count("`") % 2 == text.count("*") % 2 == 0
        assert "{" not in filled(text, KNOWN)
    assert {key for _, key in platform.fields} <= KNOWN.keys()


@EACH
def test_a_form_has_everything_that_the_file_has(platform: Platform) -> None:
    """Compares forms of complete clients; UniFi asks for no more than what it needs."""
    if platform.fields and platform.id != "unifi":
        wanted = {"private_key", "address", "public_key", "host", "port", "allowed", "keepalive"}
        assert wanted <= {key for _, key in platform.fields}


def test_values_are_those_of_the_file() -> None:
    text = MADE.text()
    for key in ("address", "mtu", "public_key", "host", "port", "allowed", "keepalive"):
        assert KNOWN[key] in text
    assert KEYS.private not in " ".join(KNOWN.values())


def test_the_private_key_is_shown_in_the_file_alone(owner: Visitor) -> None:
    answer = owner.add_machine("one")
    private = re.search(r"PrivateKey {10}= (\S{44})\n", answer.page.text)
    assert private is not None
    assert answer.page.text.count(private[1]) == 1
    folded = [each["id"] for each in answer.page.all("details")]
    assert folded == [f"on-{each.id}" for each in PLATFORMS]


def linked_machine(visitor: Visitor) -> str:
    """Follows the links to the configuration of the first machine; returns the path of the machine's page."""
    links = [each["href"] for each in visitor.get("/machines").page.all("a")]
    machine = next(link for link in links if link.startswith("/machines/"))
    assert f"{machine}/configuration" in [each["href"] for each in visitor.get(machine).page.all("a")]
    return machine


def test_instructions_are_readable_later_without_the_key(owner: Visitor) -> None:
    owner.add_machine("one")
    later = owner.get(f"{linked_machine(owner)}/configuration")
    assert "the private key that belongs to your public key" in later.page.text
    assert "sudo systemctl enable --now wg-quick@one" in later.page.text
    assert "vpn.example.net" in later.page.text


def test_a_viewer_reads_instructions_and_no_key(owner: Visitor, colleague: Callable[[Role], Visitor]) -> None:
    """Looks at the file of a machine whose key was made here: what was shown once is shown to nobody again."""
    private = re.search(r"PrivateKey {10}= (\S{44})\n", owner.add_machine("one").page.text)
    assert private is not None
    viewer = colleague(Role.VIEWER)
    machine = linked_machine(viewer)
    answer = viewer.get(f"{machine}/configuration")
    assert "the private key that belongs to your public key" in answer.page.text
    assert "sudo systemctl enable --now wg-quick@one" in answer.page.text
    assert private[1] not in answer.text
    assert "QR code of this configuration" not in answer.text
    assert f"{machine}/ping" not in answer.page.forms


def test_emphasis_is_split_off() -> None:
    assert emphasis_parts("a *b* c") == [(False, "a "), (True, "b"), (False, " c")]
