"""Front page: its order, the example of a configuration, the newest run, and the price of a number of machines."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from appliance.web.site import Site
from tests.appliance.published import written
from tests.appliance.web.pages.visitor import Visitor

PRICED = re.compile(r"₹[0-9,]+ a month")
# As product pages of the service have to show it, byte for byte but for what stands for keys.
_CONFIGURATION = """\
# WireGuard config for machine "branch-mumbai"
[Interface]
PrivateKey          = <base64, shown once>
Address             = 10.100.0.2/16
MTU                 = 1420

[Peer]
# MeshWG hub for "acme-networks"
PublicKey           = <the organization\u2019s hub public key>
Endpoint            = vpn.example.net:51820
AllowedIPs          = 10.100.0.0/16
PersistentKeepalive = 25
"""


def test_the_front_page_is_in_the_order_of_a_reader(stranger: Visitor) -> None:
    headings = re.findall(r'<h2 id="(\w+)">', stranger.get("/").text)
    assert headings == ["how", "file", "not", "verified", "transcripts", "price"]


def test_the_front_page_shows_the_exact_configuration(stranger: Visitor) -> None:
    (shown,) = re.findall(r"<pre[^>]*>(.*?)</pre>", stranger.get("/").text, re.DOTALL)
    assert html.unescape(shown) == _CONFIGURATION


def test_the_front_page_is_exact_about_encryption(stranger: Visitor) -> None:
    text = stranger.get("/").page.text
    assert "WireGuard encrypts each leg" in text
    assert "the kernel of the hub sees the inner packet for as long as it takes to decide" in text
    assert "end-to-end" not in text.lower()


def test_the_front_page_names_the_newest_run(site: Site, stranger: Visitor, tmp_path: Path) -> None:
    assert "No published run yet." in stranger.get("/").page.text
    site.published.publish(written(tmp_path / "out", "2026-03-01T12:00:00Z"))
    newest = site.published.publish(written(tmp_path / "out", "2026-03-02T12:00:00Z", "refuted"))
    page = stranger.get("/").page
    assert "2026-03-02: 0 of 2 claims proven, 1 of 2 breaks noticed." in " ".join(page.text.split()).replace(" :", ":")
    assert f"/transcripts/{newest.id}" in [each["href"] for each in page.all("a")]


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ("1", "1 machine: free"),
        ("2", "2 machines: free"),
        ("3", "3 machines: ₹1,047 a month"),
        (" 12 ", "12 machines: ₹4,188 a month"),
        ("10000", "10,000 machines: ₹3,490,000 a month"),
    ],
)
def test_a_number_of_machines_has_a_price(stranger: Visitor, machines: str, words: str) -> None:
    answer = stranger.get("/?" + urlencode({"machines": machines}))
    assert answer.status == 200
    assert words in answer.page.text.replace(" :", ":")
    assert not PRICED.search(stranger.get("/").page.text)


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ("0", "An organization has 1 to 10,000 machines."),
        ("10001", "An organization has 1 to 10,000 machines."),
        ("-1", "An organization has"),
        ("2.5", "An organization has"),
        ("<b>", "An organization has"),
        ("9" * 400, "An organization has"),
    ],
)
def test_a_number_that_no_organization_has_is_refused(stranger: Visitor, machines: str, words: str) -> None:
    answer = stranger.get("/?" + urlencode({"machines": machines}))
    assert answer.status == 422
    assert words in answer.page.text
    assert not PRICED.search(answer.page.text)
    assert "<b>" not in answer.text


@pytest.mark.parametrize("path", ["/", "/claims", "/claims/no-egress", "/transcripts"])
def test_public_pages_describe_themselves_to_others(stranger: Visitor, path: str) -> None:
    page = stranger.get(path).page
    names = {each.get("property", each.get("name")): each.get("content") for each in page.all("meta")}
    assert names["description"] == names["og:description"]
    assert 40 < len(names["description"] or "") < 200
    assert names["og:title"]
    assert names["og:site_name"] == "MeshWG"
    assert "og:image" not in names


def test_a_member_s_page_describes_nothing(owner: Visitor) -> None:
    page = owner.get("/machines").page
    assert not [each for each in page.all("meta") if each.get("name") == "description" or "property" in each]
