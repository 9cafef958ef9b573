"""Operators are set up and sign in, whatever members and strangers ask for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import bottle
import pytest

from appliance.model.errors import TooMany
from appliance.service import Context, operators
from appliance.web.operators.visits import COOKIE
from appliance.web.rates import OPERATOR_STRANGERS, STRANGERS
from appliance.web.site import Site
from tests.appliance.clocks import WallClock
from tests.appliance.members import OPERATORS_PASSWORD
from tests.appliance.web.operators.conftest import EMAIL, Operator
from tests.appliance.web.pages.visitor import Visitor


def test_a_new_operator_is_set_up_and_signed_in(operator: Operator) -> None:
    assert len(operator.codes) == 10
    cookie = operator.answer.cookies[COOKIE]
    assert (cookie["path"], cookie["secure"], cookie["httponly"], cookie["samesite"]) == (
        "/operator", True, True, "lax",
    )  # fmt: skip
    assert int(cookie["max-age"]) == 8 * 3600
    assert operator.get("/operator").status == 200


def test_a_used_link_leads_nowhere(operator: Operator, context: Context) -> None:
    link = operators.add(context, "second@example.net")
    other = replace(operator, cookies={})
    assert other.join(link).status == 200
    assert other.get("/operator/join/" + link.rpartition("/")[2]).status == 404


def test_a_wrong_code_shows_the_secret_again(new_operator: Callable[[], Operator], context: Context) -> None:
    path = operators.add(context, EMAIL).partition("hub.example.net")[2]
    visitor = new_operator()
    visitor.get(path)
    assert visitor.send(path, password="short").status == 422
    secret = next(word for word in visitor.send(path, password=OPERATORS_PASSWORD).page.text.split() if len(word) == 32)
    answer = visitor.send(f"{path}/enrol", code="000000")
    assert (answer.status, secret in answer.page.text, bool(answer.page.all("svg"))) == (403, True, True)
    assert COOKIE not in visitor.cookies
    assert visitor.get("/operator").headers["location"] == "/operator/login"


def test_log_in_needs_password_and_code(operator: Operator, new_operator: Callable[[], Operator]) -> None:
    other = new_operator()
    other.phone = operator.phone
    for wrong in ({"code": "000000"}, {"password": "wrong"}, {"email": "nobody@example.net"}):
        answer = other.enter(**wrong)
        assert (answer.status, COOKIE in other.cookies) == (401, False)
        assert OPERATORS_PASSWORD not in answer.text
    answer = other.enter()
    assert (answer.status, answer.headers["location"]) == (303, "/operator")
    assert other.get("/operator").status == 200
    other.send("/operator/logout")
    assert COOKIE not in other.cookies
    assert other.enter(operator.codes[0]).status == 303


def test_a_session_that_was_not_used_has_ended(operator: Operator, clock: WallClock) -> None:
    clock.wait(timedelta(minutes=31))
    assert operator.get("/operator").headers["location"] == "/operator/login"
    assert "Your session has ended" in operator.get("/operator/login").page.text


def test_guesses_lock_no_member_of_the_same_address_out(
    app: bottle.Bottle, operator: Operator, new_operator: Callable[[], Operator]
) -> None:
    member = Visitor(app, address="198.51.100.9")
    member.sign_up(EMAIL)
    other = new_operator()
    other.address = "203.0.113.7"
    statuses = [other.enter("000000").status for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    # Neither the member nor the operator at their usual address.
    elsewhere = Visitor(app, address="198.51.100.10")
    assert elsewhere.log_in(EMAIL).status == 303
    assert operator.enter().status == 303


@pytest.mark.long
def test_a_flood_of_log_ins_stops_before_passwords_are_hashed(
    app: bottle.Bottle, operator: Operator, site: Site, clock: WallClock
) -> None:
    """More log-ins than anybody may: members sign in all the same, and so does the operator."""
    refused = 0
    for number in range(70):
        stranger = Operator(app, address=f"203.0.{number}.7", clock=clock)
        refused += stranger.enter("000000", email=f"{number}@example.net").status == 429
    assert refused >= 10
    assert site.limits.refused["operator-log-ins", "everybody"] == refused
    member = Visitor(app, address="198.51.100.9")
    member.sign_up("asha@example.net")
    assert Visitor(app, address="203.0.113.250").log_in("asha@example.net").status == 303
    assert operator.enter().status == 303


def test_strangers_use_up_nothing_of_the_operators(
    app: bottle.Bottle, operator: Operator, new_operator: Callable[[], Operator], site: Site
) -> None:
    """Sends as many requests as all strangers may make, also from the operator's network."""
    for number in range(STRANGERS.everybody[0].amount // STRANGERS.one[0].amount):
        for _ in range(STRANGERS.one[0].amount):
            site.limits.stranger(f"203.0.{number}.7" if number else operator.address)
    # Those of the operator's network, where an account is known, did not count for everybody.
    for _ in range(STRANGERS.one[0].amount):
        site.limits.stranger("203.0.113.250")
    assert Visitor(app, address="198.51.100.9").get("/login").status == 429
    assert operator.get("/operator").status == 200
    other = new_operator()
    other.phone = operator.phone
    assert other.enter().status == 303
    assert other.get("/operator/hub").status == 200


def test_a_crowd_at_the_log_in_keeps_no_known_operator_out(
    operator: Operator, new_operator: Callable[[], Operator], site: Site
) -> None:
    """Uses up what all strangers may ask of operators' pages: it holds elsewhere, but not where operators sign in."""
    for number in range(OPERATOR_STRANGERS.everybody[0].amount):
        with suppress(TooMany):
            site.limits.operator_stranger(f"203.0.{number % 100}.7")
    elsewhere = new_operator()
    elsewhere.address = "198.51.100.10"
    assert elsewhere.get("/operator/login").status == 429
    other = new_operator()
    other.phone = operator.phone
    assert other.enter().status == 303


@pytest.mark.long
def test_requests_without_a_session_are_limited(
    operator: Operator, new_operator: Callable[[], Operator], site: Site
) -> None:
    stranger = new_operator()
    stranger.address = "203.0.113.7"
    statuses = [stranger.get("/operator/login").status for _ in range(OPERATOR_STRANGERS.one[0].amount + 1)]
    assert (set(statuses[:-1]), statuses[-1]) == ({200}, 429)
    assert site.limits.refused["operator-strangers", "address"] == 1
    assert operator.get("/operator").status == 200
