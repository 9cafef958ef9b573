"""The page that describes the API: for everybody, whole, and made of the same document."""

from __future__ import annotations

from appliance.web.api import CALLS
from tests.appliance.web.pages.visitor import Visitor


def test_every_call_is_described_without_a_session(stranger: Visitor) -> None:
    answer = stranger.get("/docs/api")
    assert answer.status == 200
    text = answer.page.text
    for row in CALLS:
        assert f"{row.method} {row.path}" in text
        assert row.summary in text


def test_what_a_call_takes_and_refuses_is_told(stranger: Visitor) -> None:
    text = " ".join(stranger.get("/docs/api").page.text.split())
    assert "integer, 1 to 1000" in text
    assert 'For example "branch-mumbai"' in text
    assert "allow or deny" in text
    assert "urn:meshwg:problem:plan-limit" in text


def test_links_lead_somewhere_and_no_script_is_needed(stranger: Visitor) -> None:
    page = stranger.get("/docs/api").page
    identified = {each["id"] for _, each in page.elements if "id" in each}
    pointed_at = {each["href"][1:] for each in page.all("a") if each["href"].startswith("#")}
    assert pointed_at <= identified
    assert len(pointed_at) > 40
    assert not page.all("script")


def test_every_page_leads_to_it(stranger: Visitor) -> None:
    assert any(each["href"] == "/docs/api" for each in stranger.get("/").page.all("a"))
