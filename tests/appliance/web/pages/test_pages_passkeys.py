"""Pages of passkeys, with a software authenticator in the place of script and browser."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import bottle
import pytest

from appliance.model.errors import TooMany
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.rates import CHALLENGES, LOG_INS, STRANGERS
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.authenticator import Authenticator
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Visitor

SITE = "https://mesh.example.net"


@pytest.fixture
def site(site: Site) -> Site:
    """Provides a site with a host name, where amounts that are used up stay so."""
    return replace(site, context=replace(site.context, site=SITE), limits=RateLimits(clock=lambda: 1000.0))


@pytest.fixture
def device(owner: Visitor) -> Authenticator:
    """Makes an authenticator with a passkey of the owner."""
    made = Authenticator(SITE)
    csrf = owner.get("/account").page.forms["/account/passkeys"]
    credential = made.create(owner.post("/account/passkeys/options", csrf).text)
    owner.get("/account")
    before = owner.cookies[COOKIE]
    assert owner.send("/account/passkeys", name="Laptop", password=PASSWORD, credential=credential).status == 303
    assert owner.cookies[COOKIE] != before
    return made


def sign(visitor: Visitor, device: Authenticator) -> str:
    """Signs a challenge, as the script of the log-in page would."""
    form = visitor.get("/login").page.forms["/login/passkey"]
    credential = device.get(visitor.post("/login/passkey/options", form).text)
    visitor.get("/login?next=/audit")
    return credential


def test_a_log_in_by_passkey_leads_to_the_page_asked_for(stranger: Visitor, device: Authenticator) -> None:
    credential = sign(stranger, device)
    assert stranger.send("/login/passkey", credential=credential).headers["location"] == "/audit"
    assert "Laptop" in stranger.get("/audit").page.text


def test_a_crowd_keeps_no_passkey_out_where_it_was_used(
    stranger: Visitor, device: Authenticator, app: bottle.Bottle, site: Site
) -> None:
    """Uses up what everybody may do before there is a session: pages, challenges and log-ins."""
    stranger.address = "203.0.113.7"
    assert stranger.send("/login/passkey", credential=sign(stranger, device)).status == 303
    crowd = [f"198.51.{number}.1" for number in range(100)]
    for count, rates in (
        (site.limits.stranger, STRANGERS),
        (site.limits.challenge, CHALLENGES),
        (lambda address: site.limits.log_in(address, None), LOG_INS),
    ):
        for number in range(rates.everybody[0].amount):
            with suppress(TooMany):
                count(crowd[number % len(crowd)])
    assert Visitor(app, address="203.0.113.8").get("/login").status == 429
    again = Visitor(app, address="203.0.113.7")
    assert again.send("/login/passkey", credential=sign(again, device)).status == 303


def test_a_challenge_of_one_browser_is_invalid_in_another(
    stranger: Visitor, device: Authenticator, app: bottle.Bottle
) -> None:
    credential = sign(stranger, device)
    thief = Visitor(app)
    thief.get("/login")
    answer = thief.send("/login/passkey", credential=credential)
    assert answer.status == 401
    assert "opens no account here" in answer.page.text
    assert COOKIE not in thief.cookies


def test_a_passkey_is_renamed_and_removed(owner: Visitor, stranger: Visitor, device: Authenticator) -> None:
    forms = owner.get("/account").page.forms
    rename = next(action for action in forms if action.endswith("/name"))
    remove = next(action for action in forms if action.startswith("/account/passkeys/") and action.endswith("/remove"))
    assert owner.send(rename, name="Phone").status == 303
    assert "Phone" in owner.get("/account").page.text
    assert owner.send(remove, password="wrong").status == 403
    assert owner.send(remove, password=PASSWORD).status == 303
    assert stranger.send("/login/passkey", credential=sign(stranger, device)).status == 401


def test_without_a_script_the_pages_say_that_one_is_needed(owner: Visitor, stranger: Visitor) -> None:
    page = owner.get("/account").page
    assert "To add a passkey, use a browser that supports passkeys" in page.text
    hidden = [each for each in page.all("form") if "data-passkey" in each]
    assert [each["action"] for each in hidden] == ["/account/passkeys"]
    assert all("hidden" in each for each in hidden)
    (form,) = (each for each in stranger.get("/login").page.all("form") if "data-passkey" in each)
    assert "hidden" in form
    _, _, script = stranger.answer.page.all("script")
    assert script["src"].startswith("/static/passkeys.")
    assert stranger.get(script["src"]).headers["content-type"].startswith("text/javascript")


def test_a_service_without_a_name_offers_no_passkeys(site: Site, hub: FakeHub) -> None:
    nameless = make_app(replace(site, context=replace(site.context, site="https://192.0.2.1")), hub.status)
    visitor = Visitor(nameless)
    assert len(visitor.get("/login").page.all("script")) == 2
    visitor.sign_up()
    told = visitor.get("/account").page.text
    assert "was not told its own" in told
    assert "--public-url https://NAME" in told
    token = visitor.answer.page.forms["/logout"]
    assert visitor.post("/account/passkeys/options", token).status == 409


def test_a_deeply_nested_credential_is_refused(app: bottle.Bottle) -> None:
    visitor = Visitor(app)
    visitor.get("/login")
    for depth in (100, 900, 10_000):
        answer = visitor.send("/login/passkey", credential="[" * depth + "]" * depth)
        assert answer.status in (401, 409), depth
        visitor.get("/login")
