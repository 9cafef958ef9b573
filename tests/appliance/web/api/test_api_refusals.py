"""Refusals of the HTTP API: bad input, callers without a session, limits, and faults."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import bottle
import pytest

from appliance.service import Context, tokens
from appliance.web.api import ROUTES
from appliance.web.authentication import CSRF_HEADER
from appliance.web.limits import RateLimits
from appliance.web.rates import STRANGERS
from appliance.web.request import COOKIE
from appliance.web.site import Site
from tests.appliance.clocks import Clock
from tests.appliance.sites import site_of
from tests.appliance.web.api.conftest import assert_problem
from tests.appliance.web.client import SIGN_UP, call


@pytest.fixture
def clock() -> Clock[float]:
    """Clock of the limits."""
    return Clock(0.0)


@pytest.fixture
def site(context: Context, clock: Clock[float]) -> Site:
    return site_of(context, RateLimits(trusted=[ip_network("192.0.2.0/24")], clock=clock))


@pytest.mark.parametrize(
    ("method", "path", "raw", "status"),
    [
        ("POST", "/signup", b"not json", 400),
        ("POST", "/signup", b"", 400),
        ("POST", "/signup", b"\xff\xfe", 400),
        ("POST", "/signup", b"[]", 422),
        ("POST", "/signup", b'{"email": 1}', 422),
        ("POST", "/machines", b'{"name": "a\\nb"}', 422),
        ("POST", "/machines", b'{"name": "a", "public_key": "x"}', 422),
        ("POST", "/machines", b'{"name": "a", "nam": "b"}', 422),
        ("PUT", "/policy", b'{"default": "maybe", "rules": []}', 422),
        ("PUT", "/policy", b"{", 400),
        ("GET", "/machines?limit=x", b"", 422),
        ("GET", "/machines?after=x", b"", 422),
        ("GET", "/machines?state=asleep", b"", 422),
        ("GET", "/machines?state=online&after=x", b"", 422),
        ("GET", "/audit?before=-1", b"", 422),
        ("GET", "/audit?before=%ff", b"", 400),
        ("GET", "/machines?group=%ff", b"", 400),
        ("GET", "/machines?group=%ff&group=a", b"", 400),
        ("GET", "/machines?query=%e4%bd", b"", 400),
        ("GET", "/policy?other=%ff", b"", 400),
        ("POST", "/machines?force=%ff", b'{"name": "a"}', 400),
        ("GET", "/nothing", b"", 404),
        ("PUT", "/machines", b"{}", 405),
        ("DELETE", "/organization", b'{"confirm": "other"}', 422),
    ],
)
def test_bad_input_is_a_problem_document(
    app: bottle.Bottle, token: str, method: str, path: str, raw: bytes, status: int
) -> None:
    assert_problem(call(app, method, "/api/v1" + path, raw=raw, token=token), status)


@pytest.mark.parametrize("path", ["/machines", "/audit", "/usage", "/policy/history"])
def test_a_wrong_position_is_blamed_on_what_was_sent(app: bottle.Bottle, token: str, path: str) -> None:
    for name in ("after", "before") if path == "/audit" else ("after",):
        answer = call(app, "GET", f"/api/v1{path}?{name}=nothing", token=token)
        assert_problem(answer, 422)
        assert answer.json["field"] == name


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/machines", {"name": "a", "groups": [""]}, "groups"),
        ("/machines", {"name": "a", "groups": ["any"]}, "groups"),
        ("/policy/rules", {"action": "deny", "source": "group:\n", "destination": "any"}, "source"),
        ("/policy/rules", {"action": "deny", "source": "any", "destination": "group: "}, "destination"),
    ],
)
def test_a_wrong_group_is_blamed_on_what_was_sent(
    app: bottle.Bottle, token: str, path: str, body: dict[str, Any], field: str
) -> None:
    answer = call(app, "POST", f"/api/v1{path}", body, token=token)
    assert_problem(answer, 422)
    assert (answer.json["field"], "group" in answer.json["detail"]) == (field, True)


@pytest.mark.parametrize(
    "row", [c for c in ROUTES if not c.access.is_public], ids=lambda row: f"{row.method} {row.path}"
)
def test_calls_need_a_session_unless_they_are_public(app: bottle.Bottle, row: Any) -> None:
    path = "/api/v1" + row.path.replace("{id}", "x")
    answer = call(app, row.method, path, {})
    assert_problem(answer, 401)
    assert answer.headers["Www-Authenticate"] == "Bearer"
    assert_problem(call(app, row.method, path, {}, token="mws_wrong"), 401)


def test_a_change_by_cookie_needs_the_csrf_header(app: bottle.Bottle, token: str) -> None:
    cookie = {"Cookie": f"{COOKIE}={token}"}
    assert call(app, "GET", "/api/v1/machines", headers=cookie).status == 200
    assert_problem(call(app, "POST", "/api/v1/machines", {"name": "a"}, headers=cookie), 403)
    wrong = {**cookie, CSRF_HEADER: "0" * 64}
    assert_problem(call(app, "POST", "/api/v1/machines", {"name": "a"}, headers=wrong), 403)
    right = {**cookie, CSRF_HEADER: tokens.csrf_of(token)}
    assert call(app, "POST", "/api/v1/machines", {"name": "a"}, headers=right).status == 201


def test_sign_ups_are_limited_except_from_a_trusted_source(app: bottle.Bottle) -> None:
    for number in range(20):
        body = {**SIGN_UP, "email": f"{number}@example.net", "organization": "x", "password": "short"}
        assert call(app, "POST", "/api/v1/signup", body).status == 422
    refused = call(app, "POST", "/api/v1/signup", SIGN_UP)
    assert_problem(refused, 429)
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert call(app, "POST", "/api/v1/signup", SIGN_UP, address="192.0.2.9").status == 201


@pytest.mark.long
def test_anonymous_and_reading_calls_have_high_limits(app: bottle.Bottle, token: str) -> None:
    for _ in range(STRANGERS.one[0].amount):
        assert call(app, "GET", "/api/v1/machines", token="mws_guess", address="203.0.113.9").status == 401
    refused = call(app, "GET", "/api/v1/machines", token="mws_guess", address="203.0.113.9")
    assert_problem(refused, 429)
    assert refused.headers["Retry-After"] == "1"
    assert call(app, "GET", "/api/v1/machines", token=token, address="203.0.113.9").status == 200


def test_password_guesses_are_limited_with_growing_waits(app: bottle.Bottle, token: str, clock: Clock[float]) -> None:
    del token
    body = {"email": "a@example.net", "password": "guess"}
    for _ in range(5):
        assert_problem(call(app, "POST", "/api/v1/sessions", body, address="192.0.2.9"), 401)
    waits = []
    for _ in range(20):
        refused = call(app, "POST", "/api/v1/sessions", body, address="203.0.113.5")
        assert_problem(refused, 429)
        waits.append(int(refused.headers["Retry-After"]))
        clock.now += waits[-1]
        assert_problem(call(app, "POST", "/api/v1/sessions", body, address="203.0.113.5"), 401)
    assert waits == sorted(waits)
    assert waits[-1] >= 5 * waits[0] > 0


def test_right_passwords_are_not_counted(app: bottle.Bottle, token: str) -> None:
    del token
    body = {"email": "a@example.net", "password": SIGN_UP["password"]}
    for _ in range(8):
        answer = call(app, "POST", "/api/v1/sessions", body)
        assert answer.status == 201
        assert set(answer.json) == {"token", "expires_at"}


def test_a_header_does_not_make_a_source_trusted(app: bottle.Bottle) -> None:
    spoof = {"X-Forwarded-For": "192.0.2.9"}
    for number in range(20):
        call(app, "POST", "/api/v1/signup", {**SIGN_UP, "password": "short", "email": f"{number}@b.co"}, headers=spoof)
    assert_problem(call(app, "POST", "/api/v1/signup", SIGN_UP, headers=spoof), 429)


@pytest.mark.long
def test_an_internal_error_discloses_no_details(
    app: bottle.Bottle, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr("appliance.service.policy.latest", fault)
    answer = call(app, "GET", "/api/v1/policy", token=token)
    assert_problem(answer, 500)
    assert b"secret detail" not in answer.data


@pytest.mark.parametrize(
    "name", ["Authorization", "If-None-Match", "If-Match", "User-Agent", "X-CSRF-Token", "Cookie", "Origin"]
)
def test_a_header_of_any_bytes_causes_no_internal_error(app: bottle.Bottle, token: str, name: str) -> None:
    for method, body in (("GET", None), ("PUT", {"default": "deny", "rules": []})):
        answer = call(app, method, "/api/v1/policy", body, token=token, headers={name: "\xe9\xff\x80"})
        assert answer.status in (200, 401, 403, 412), name
