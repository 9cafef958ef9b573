"""The pages of a second factor."""

from __future__ import annotations

from dataclasses import replace

import bottle
import pyotp
import pytest

from appliance.web.app import make_app
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.web.pages.visitor import Visitor

EMAIL = "asha@example.net"


@pytest.fixture
def app(site: Site, hub: FakeHub, clock: WallClock) -> bottle.Bottle:
    return make_app(replace(site, context=replace(site.context, clock=clock)), hub.status)


@pytest.fixture
def phone(owner: Visitor, clock: WallClock) -> pyotp.TOTP:
    """Provides the authenticator of the owner, who has set it up; the last answer shows the recovery codes."""
    owner.get("/account")
    page = owner.send("/account/second-factor", password=PASSWORD).page
    assert "This is shown once." in page.text
    assert page.all("svg")
    secret = next(line for line in page.text.split() if len(line) == 32 and line.isupper())
    made = pyotp.TOTP(secret)
    answer = owner.send("/account/second-factor/enable", code="000000")
    assert answer.status == 403
    # A typing error costs nothing: the picture and the text are still there.
    assert secret in answer.page.text
    assert answer.page.all("svg")
    assert owner.send("/account/second-factor/enable", code=made.at(clock.now)).status == 200
    clock.wait()
    return made


def recovery_codes(visitor: Visitor) -> list[str]:
    return [line for line in visitor.answer.page.text.split() if line.count("-") == 3]


def test_setting_up_shows_recovery_codes_and_renews_the_session(
    owner: Visitor, stranger: Visitor, phone: pyotp.TOTP
) -> None:
    del phone
    assert len(recovery_codes(owner)) == 10
    # The forms of that page belong to the new session already.
    assert owner.answer.page.forms["/logout"]["csrf"]
    text = owner.get("/account").page.text
    assert "Recovery codes that are left: 10" in " ".join(text.split())
    assert stranger.log_in(EMAIL).headers["location"] == "/login/code?next=/machines"
    assert COOKIE not in stranger.cookies


def shown_secret(visitor: Visitor) -> str:
    return next(line for line in visitor.answer.page.text.split() if len(line) == 32 and line.isupper())


def test_a_secret_that_was_replaced_is_not_shown_again(owner: Visitor, clock: WallClock) -> None:
    owner.get("/account")
    owner.send("/account/second-factor", password=PASSWORD)
    first, form = shown_secret(owner), owner.answer.page.forms["/account/second-factor/enable"]
    owner.get("/account")
    owner.send("/account/second-factor", password=PASSWORD)
    second = shown_secret(owner)
    answer = owner.post("/account/second-factor/enable", form | {"code": pyotp.TOTP(first).at(clock.now)})
    assert answer.status == 409
    assert "not the secret that was made last" in answer.page.text
    assert first not in answer.text
    assert second not in answer.text


@pytest.mark.parametrize("secret", ["", "<b>", "A" * 31, "A" * 32, "a" * 32, "1" * 32, "A" * 100_000])
def test_a_forged_secret_is_not_shown(owner: Visitor, secret: str) -> None:
    owner.get("/account")
    owner.send("/account/second-factor", password=PASSWORD)
    answer = owner.send("/account/second-factor/enable", code="000000", secret=secret)
    assert answer.status == (409 if secret else 403)
    assert not answer.page.all("svg")


def test_the_qr_code_stays_while_the_hub_is_away(owner: Visitor, hub: FakeHub) -> None:
    owner.get("/account")
    owner.send("/account/second-factor", password=PASSWORD)
    secret = shown_secret(owner)
    hub.refuses = True
    answer = owner.send("/account/second-factor/enable", code="000000")
    assert answer.status == 503
    assert shown_secret(owner) == secret
    assert owner.answer.page.forms["/account/second-factor/enable"]["secret"] == secret


def test_a_log_in_takes_two_steps(owner: Visitor, stranger: Visitor, phone: pyotp.TOTP, clock: WallClock) -> None:
    del owner
    answer = stranger.log_in(EMAIL, path="/login?next=/audit")
    stranger.get(answer.headers["location"])
    answer = stranger.send("/login/code", code="000000")
    assert answer.status == 401
    assert "wrong" in answer.page.text
    answer = stranger.send("/login/code", code=phone.at(clock.now))
    assert answer.headers["location"] == "/audit"
    assert stranger.get("/audit").status == 200
    # What the first step left is gone.
    assert set(stranger.cookies) == {"__Host-meshwg", "__Host-meshwg-form"}


def test_the_second_step_needs_the_ticket_of_the_first(
    owner: Visitor, stranger: Visitor, phone: pyotp.TOTP, clock: WallClock
) -> None:
    del owner
    stranger.get("/login/code")
    answer = stranger.send("/login/code", code=phone.at(clock.now))
    assert answer.status == 401
    assert "Begin again" in answer.page.text


def test_guesses_of_codes_are_limited(owner: Visitor, stranger: Visitor, phone: pyotp.TOTP, clock: WallClock) -> None:
    del owner
    stranger.log_in(EMAIL)
    stranger.get("/login/code")
    # One more was made while it was set up.
    statuses = [stranger.send("/login/code", code=f"{guess:06}").status for guess in range(1, 5)]
    assert statuses == [401] * 4
    assert stranger.send("/login/code", code=phone.at(clock.now)).status == 429


def test_turning_the_factor_off_needs_password_and_code(
    owner: Visitor, stranger: Visitor, phone: pyotp.TOTP, clock: WallClock
) -> None:
    (code, *_) = recovery_codes(owner)
    owner.get("/account")
    answer = owner.send("/account/second-factor/disable", password="wrong", code=code)
    assert answer.status == 403
    fields = {each["id"]: each for each in answer.page.all("input") if "id" in each}
    assert fields["second-factor-password"]["aria-invalid"] == "true"
    to = "/account/second-factor/recovery-codes"
    answer = owner.send("/account/second-factor/disable", to=to, password=PASSWORD, code=phone.at(clock.now))
    assert answer.status == 200
    assert code not in recovery_codes(owner)
    assert len(recovery_codes(owner)) == 10
    (code, *_) = recovery_codes(owner)
    owner.get("/account")
    assert owner.send("/account/second-factor/disable", password=PASSWORD, code=code).status == 303
    assert "turned off" in owner.get("/account").page.text
    assert stranger.log_in(EMAIL).headers["location"] == "/machines"


def test_more_addresses_give_no_more_guesses_of_codes(owner: Visitor, phone: pyotp.TOTP, app: bottle.Bottle) -> None:
    """Guesses from many addresses: none becomes known as the account's before it has given a code too."""
    del owner, phone
    statuses = []
    for number in range(6):
        visitor = Visitor(app, address=f"198.51.100.{number + 1}")
        if visitor.log_in(EMAIL).status == 303:
            visitor.get("/login/code")
            statuses.append(visitor.send("/login/code", code=f"{number:06}").status)
    assert statuses == [401] * 5


def test_a_new_token_needs_a_code_too(owner: Visitor, phone: pyotp.TOTP, clock: WallClock) -> None:
    fields = {"name": "ci", "scope": "read", "days": "30", "password": PASSWORD}
    page = owner.get("/settings/tokens").page
    assert "code" in {each["name"] for each in page.all("input")}
    for code in ("", "000000"):
        answer = owner.send("/settings/tokens", **fields, code=code)
        assert answer.status in (401, 403)
        (field,) = (each for each in answer.page.all("input") if each.get("id") == "make-code")
        assert field["aria-invalid"] == "true"
        assert PASSWORD not in answer.text
    assert owner.send("/settings/tokens", **fields, code=phone.at(clock.now)).status == 200
