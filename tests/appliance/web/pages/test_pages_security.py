"""Contact for reports of weaknesses: a page for people, and security.txt as RFC 9116 has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from appliance.store.times import now
from appliance.web.app import make_app
from appliance.web.pages.security import PATH
from appliance.web.site import SecurityReports, Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Visitor

Open = Callable[..., Visitor]


@pytest.fixture
def visitor_of(site: Site, hub: FakeHub) -> Open:
    """Returns a function that makes a visitor of a service with these settings."""
    return lambda *security: Visitor(make_app(replace(site, security=SecurityReports(*security)), hub.status))


def text(visitor: Visitor) -> str:
    return " ".join(visitor.get("/security").page.text.split())


@pytest.mark.parametrize("contact", ["mailto:security@example.net", "https://example.net/report"])
def test_programs_find_the_contact(visitor_of: Open, site: Site, contact: str) -> None:
    answer = visitor_of(contact).get(PATH)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    lines = answer.text.splitlines()
    found = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    assert len(found) == len(lines), "each field once"
    assert found["Contact"] == contact
    assert found["Canonical"] == f"{site.context.site}{PATH}"
    expires = datetime.fromisoformat(found["Expires"].replace("Z", "+00:00"))
    assert now() + timedelta(days=30) < expires < now() + timedelta(days=365)
    assert found["Policy"].endswith("/security")


def test_people_find_contact_and_advisories(visitor_of: Open) -> None:
    visitor = visitor_of("mailto:security@example.net", "https://example.net/advisories")
    assert "Write to security@example.net" in text(visitor)
    links = [each["href"] for each in visitor.answer.page.all("a")]
    assert {"mailto:security@example.net", "https://example.net/advisories", PATH} <= set(links)
    assert re.search(r'<a href="/security">', visitor.get("/").text)


def test_without_a_contact_nothing_is_made_up(visitor_of: Open) -> None:
    visitor = visitor_of()
    assert "has named no contact" in text(visitor)
    assert "publishes no advisories" in text(visitor)
    assert visitor.get(PATH).status == 404
