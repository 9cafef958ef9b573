"""Pages that links in letters open."""

from __future__ import annotations

from dataclasses import replace

import bottle
import pytest

from appliance.service import accounts, resets, verification
from appliance.web.app import make_app
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.pages.visitor import Visitor

OTHER = "staple the correct horse"


@pytest.fixture
def app(site: Site, hub: FakeHub) -> bottle.Bottle:
    return make_app(replace(site, context=replace(site.context, sends_mail=True)), hub.status)


def test_a_forgotten_password_is_answered_alike_for_any_address(owner: Visitor, app: bottle.Bottle) -> None:
    answers = []
    for number, email in enumerate(("asha@example.net", "nobody@example.net")):
        visitor = Visitor(app, address=f"192.0.2.{number + 10}")
        visitor.get("/login")
        visitor.get("/forgotten")
        answers.append(visitor.send("/forgotten", email=email))
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].text == answers[1].text
    assert owner.get("/machines").status == 200


def test_letters_have_limits_by_recipient_and_by_address(owner: Visitor, app: bottle.Bottle) -> None:
    del owner
    for email in ("asha@example.net", "nobody@example.net"):
        statuses = []
        for number in range(4):
            visitor = Visitor(app, address=f"192.0.2.{number + 10}")
            visitor.get("/forgotten")
            statuses.append(visitor.send("/forgotten", email=email).status)
        assert statuses == [200, 200, 200, 429], email
    visitor = Visitor(app, address="192.0.2.99")
    for number in range(21):
        visitor.get("/forgotten")
        answer = visitor.send("/forgotten", email=f"p{number}@example.net")
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0


def test_opening_a_link_changes_nothing_until_its_form_is_sent(owner: Visitor, stranger: Visitor, site: Site) -> None:
    link = resets.issue(site.context, "asha@example.net").removeprefix(site.context.site)
    for _ in range(2):
        page = stranger.get(link)
        assert page.status == 200
    assert "If you have a second factor, it stays" in page.page.text
    assert owner.get("/machines").status == 200
    assert stranger.send("/reset", password="short").status == 422
    answer = stranger.send("/reset", password=OTHER)
    assert "You have another password" in answer.page.text
    assert COOKIE not in stranger.cookies
    assert owner.get("/machines").status == 303
    assert stranger.log_in("asha@example.net", OTHER).status == 303
    stranger.get(link)
    answer = stranger.send("/reset", password="yet another password")
    assert answer.status == 404
    assert "used already" in answer.page.text


def test_a_link_verifies_the_address_and_the_account_says_so(owner: Visitor, stranger: Visitor, site: Site) -> None:
    assert "Your address is not verified" in owner.get("/account").page.text
    assert owner.send("/account/verification").status == 303
    link = verification.issue(site.context, "asha@example.net").removeprefix(site.context.site)
    stranger.get(link)
    assert "Your address is verified" in stranger.send("/verify").page.text
    text = owner.get("/account").page.text
    assert "not verified" not in text
    assert "verified" in text
    assert accounts.actor_of(site.context, owner.cookies[COOKIE]).email == "asha@example.net"


def test_a_service_without_mail_names_the_operator(site: Site, hub: FakeHub) -> None:
    visitor = Visitor(make_app(site, hub.status))
    assert "Ask its operator" in visitor.get("/forgotten").page.text
