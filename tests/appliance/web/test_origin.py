"""Refusal of changes from pages of other sites, on every route, and the headers of every answer."""

from __future__ import annotations

from dataclasses import replace

import bottle
import pytest

from appliance.web.site import Site
from tests.appliance.web.client import SIGN_UP, call

OURS = "https://mesh.example.net"


@pytest.fixture
def site(site: Site) -> Site:
    return replace(site, context=replace(site.context, site=OURS))


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://mesh.example.net"},
    {"Origin": "https://mesh.example.net:8443"},
    {"Origin": "https://mesh.example.net.evil.example"},
    {"Origin": "https://[bad"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": OURS},
]
HOME = [
    {},
    {"Origin": OURS},
    {"Origin": "https://mesh.example.net:443", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "https://inner.example:8443", "Host": "inner.example:8443"},
    {"Sec-Fetch-Site": "none"},
]


def is_refused(app: bottle.Bottle, method: str, path: str, headers: dict[str, str], token: str | None = None) -> bool:
    answer = call(app, method, path, {}, headers=headers, token=token)
    return answer.status == 403 and b"page of another site" in answer.data


@pytest.mark.parametrize("headers", FOREIGN)
def test_every_route_refuses_a_change_from_another_site(app: bottle.Bottle, headers: dict[str, str]) -> None:
    changing = [(route.method, route.rule) for route in app.routes if route.method not in ("GET", "HEAD")]
    assert len(changing) > 50
    for method, rule in changing:
        path = rule.replace("<", "").replace(">", "")
        assert is_refused(app, method, path, headers), (method, rule)


@pytest.mark.parametrize("headers", HOME)
def test_a_change_from_our_own_pages_passes(app: bottle.Bottle, headers: dict[str, str]) -> None:
    answer = call(app, "POST", "/api/v1/signup", SIGN_UP, headers=headers)
    assert answer.status == 201


@pytest.mark.parametrize("headers", FOREIGN)
def test_reads_and_calls_with_a_token_are_allowed_from_any_site(app: bottle.Bottle, headers: dict[str, str]) -> None:
    token = call(app, "POST", "/api/v1/signup", SIGN_UP).json["token"]
    assert call(app, "GET", "/", headers=headers).status == 200
    assert call(app, "POST", "/api/v1/machines", {"name": "one"}, headers=headers, token=token).status == 201


@pytest.mark.parametrize("path", ["/", "/login", "/nowhere", "/api/v1/organization", "/api/v1/nowhere", "/healthz"])
def test_every_answer_has_the_headers(app: bottle.Bottle, path: str) -> None:
    headers = call(app, "GET", path).headers
    policy = dict(each.strip().partition(" ")[::2] for each in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
