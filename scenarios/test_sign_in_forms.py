"""Changes need the session's own CSRF token, and browsers are told to keep cookies and pages from other sites."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Any

import pytest

from harness.client.visitor import SESSION_COOKIE, Visitor
from harness.judging.record import Record
from harness.world import holdings
from harness.world.world import PASSWORD, World

pytestmark = pytest.mark.claim("sign-in")

# What browsers say of another site's request: one of these is enough for a refusal, as some browsers send only one.
ELSEWHERE = {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}
_SEE_OTHER, _FORBIDDEN = 303, 403


def test_a_change_needs_the_sessions_own_csrf_token(world: World, record: Record) -> None:
    """Every call that changes something, and every form of an organization that has one thing of each kind, is sent
    with a browser's cookie, as another site could have it sent, and is refused. Each header in which a browser tells of
    the other site is enough for that.
    """
    mesh = world.organization(record)
    held = holdings.make(mesh, "server") | holdings.removal(world, mesh)
    victim, attacker = mesh.api.visitor(), _browser(world, f"{secrets.token_hex(6)}@example.net")
    victim.log_in(mesh.api.call("GET", "/account").body["email"], PASSWORD)
    forms = {action: fields for action, fields in victim.all_forms("/machines").items() if "csrf" in fields}
    foreign, own = (browser.forms("/machines")["/logout"]["csrf"] for browser in (attacker, victim))
    ways: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "no token": ({}, {}),
        "another session's token": ({"csrf": foreign}, {"X-CSRF-Token": foreign}),
        **{
            f"its token, and {name}: {value}": ({"csrf": own}, {"X-CSRF-Token": own, name: value})
            for told in ELSEWHERE
            for name, value in told.items()
        },
    }
    cookie = victim.send("GET", "/machines").request.headers["cookie"]
    with record.control("the browser sends its cookie by itself, and its own form is accepted"):
        assert SESSION_COOKIE in cookie
        renamed = victim.fill_in("/settings", "/settings/name", name="renamed")
        assert renamed.status_code == _SEE_OTHER, renamed.text
    taken = []
    requests = [("POST", action) for action in forms] + _changing_calls(victim)
    for way, (fields, headers) in ways.items():
        for method, path in requests:
            # All other fields are those of the form, so that only the token can be the reason of a refusal.
            rest = {name: value for name, value in forms.get(path, {}).items() if name != "csrf"}
            answer = victim.send(method, path, rest | fields, headers)
            if answer.status_code != _FORBIDDEN:
                taken.append(f"{method} {path} with {way}: {answer.status_code}")
    record.measure("forms and calls", len(requests))
    record.at_least(
        "forms of something by its id", sum(each in action for action in forms for each in held.values()), 8
    )
    record.none_of("taken", taken, "changes were not refused")
    with record.control("the account is as it was, and its own form and call are still accepted"):
        assert victim.fill_in("/settings", "/settings/name", name="sign-in").status_code == _SEE_OTHER
        ended = victim.send("DELETE", f"/api/v1/sessions/{held['/sessions']}", headers={"X-CSRF-Token": own})
        assert ended.status_code == 204, ended.text
    attacker.fill_in("/settings", "/settings/delete", confirm="sign-in")
    for browser in (victim, attacker):
        browser.close()


def test_browsers_keep_cookies_and_pages_from_others(world: World, record: Record) -> None:
    """No script of a page and no unencrypted request gets a cookie, and none goes along with another site's changes. No
    other site can show a page in a frame, where a click would change something.
    """
    mesh = world.organization(record)
    browser = mesh.api.visitor()
    logged_in = browser.log_in(mesh.api.call("GET", "/account").body["email"], PASSWORD)
    with record.control("a log-in sets the session's cookie"):
        assert SESSION_COOKIE in logged_in.headers["set-cookie"]
    pages = {path: browser.open(path) for method, path in sorted(browser.walk("/machines")) if method == "GET"}
    answers = {"a log-in": logged_in, **pages}
    answers["a log-out"] = browser.fill_in("/machines", "/logout")
    loose, framed = [], []
    for what, answer in answers.items():
        loose += [f"{what}: {each}" for each in _loose(answer.headers.get_list("set-cookie"))]
        directives = re.split(r"\s*;\s*", answer.headers.get("content-security-policy", ""))
        if "frame-ancestors 'none'" not in directives or "script-src 'self'" not in directives:
            framed.append(what)
    record.at_least("pages", len(pages), 10)
    record.none_of("cookies that others get", loose, "browsers are not told to keep a cookie to themselves")
    record.none_of(
        "pages that others show or script", framed, "browsers may run scripts in pages, or show them in frames"
    )
    browser.close()


def _loose(cookies: Iterable[str]) -> list[str]:
    """Returns the cookies that a browser gives to scripts, to unencrypted requests or with those of other sites."""
    return [
        f"{name}: {', '.join(lacking)}"
        for each in cookies
        for name, cookie in SimpleCookie(each).items()
        if (
            lacking := [
                *(flag for flag in ("secure", "httponly") if not cookie[flag]),
                *([] if cookie["samesite"].lower() in ("lax", "strict") else ["samesite"]),
                *([] if name.startswith("__Host-") else ["a name that only this host can set"]),
            ]
        )
    ]


def _browser(world: World, email: str) -> Visitor:
    browser = world.subject.api().visitor()
    browser.sign_up(email, PASSWORD, "sign-in")
    return browser


def _changing_calls(browser: Visitor) -> list[tuple[str, str]]:
    """Returns method and path of every API call that changes something and needs a session."""
    document: dict[str, Any] = browser.open("/api/v1/openapi.json").json()
    return [
        (method.upper(), "/api/v1" + path.replace("{", "").replace("}", ""))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "get" and operation.get("security")
    ]
