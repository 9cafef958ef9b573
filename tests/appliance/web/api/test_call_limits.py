"""Calls with a limit of their own ask it, and do nothing beyond it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bottle
import pytest

from appliance.model.organization import Role
from appliance.model.sign_up import SignUpMode
from appliance.service import Actor, Context, api_tokens
from appliance.web.api import SECTIONS
from appliance.web.app import make_app
from appliance.web.rates import LETTERS, LETTERS_PER_RECIPIENT, REVOCATIONS, WRITES_PER_ORGANIZATION
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD, colleague, join, sign_in
from tests.appliance.sites import site_of
from tests.appliance.web.client import SIGN_UP, call
from tests.appliance.web.used_up import use_up

PREFIX = "/api/v1"
CALLS = [
    ("configuration", "POST", "/machines", {"name": "pune"}),
    ("configuration", "POST", "/machines/{id}/rotate", {}),
    ("enabling", "PATCH", "/machines/{id}", {"enabled": True}),
    ("ping", "POST", "/machines/{id}/ping", None),
    ("invitation", "POST", "/invitations", {"email": "b@example.net", "role": "viewer"}),
]


@pytest.mark.parametrize(("limit", "method", "path", "body"), CALLS, ids=[f"{each[1]} {each[2]}" for each in CALLS])
def test_a_call_beyond_its_limit_does_nothing(
    app: bottle.Bottle, monkeypatch: pytest.MonkeyPatch, limit: str, method: str, path: str, body: Any
) -> None:
    token = call(app, "POST", f"{PREFIX}/signup", SIGN_UP).json["token"]
    machine = call(app, "POST", f"{PREFIX}/machines", {"name": "mumbai"}, token=token).json["machine"]["id"]
    before = call(app, "GET", f"{PREFIX}/audit", token=token).json
    with monkeypatch.context() as patched:
        use_up(patched, limit)
        refused = call(app, method, PREFIX + path.format(id=machine), body, token=token)
    assert (refused.status, refused.headers["retry-after"]) == (429, "7")
    assert call(app, "GET", f"{PREFIX}/audit", token=token).json == before
    assert call(app, method, PREFIX + path.format(id=machine), body, token=token).status < 300


def test_every_change_counts_as_one(app: bottle.Bottle, monkeypatch: pytest.MonkeyPatch) -> None:
    token = call(app, "POST", f"{PREFIX}/signup", SIGN_UP).json["token"]
    use_up(monkeypatch, "write")
    routes = [route for section in SECTIONS for route in section.routes if route.access.role is not None]
    # It would end the caller's session.
    routes = [route for route in routes if route.path != "/sessions/current"]
    refused = {
        (route.method, route.path)
        for route in routes
        if call(app, route.method, PREFIX + route.path.replace("{", "").replace("}", ""), {}, token=token).status == 429
    }
    free = {(route.method, route.path) for route in routes if route.method != "GET"} - refused
    # What reads and what takes rights away goes on.
    assert not {path for method, path in refused if method == "GET"}
    assert {path for method, path in free if method != "DELETE"} == {"/policy/check", "/policy/preview"}
    assert ("DELETE", "/machines/{id}") in refused
    assert ("DELETE", "/policy/rules/{id}") in refused


def test_a_crowd_keeps_no_verification_from_a_member(context: Context, hub: FakeHub) -> None:
    site = site_of(replace(context, sends_mail=True))
    app = make_app(site, hub.status)
    token = call(app, "POST", f"{PREFIX}/signup", SIGN_UP).json["token"]
    for number in range(LETTERS.everybody[0].amount):
        site.limits.letter(f"203.0.113.{number % 50}", f"{number}@example.net")
    assert call(app, "POST", f"{PREFIX}/resets", {"email": "b@example.net"}).status == 429
    assert call(app, "POST", f"{PREFIX}/verifications", token=token).status == 204


def test_requests_to_sign_up_use_up_no_resets(context: Context, hub: FakeHub) -> None:
    verified = replace(context, sends_mail=True, sign_up=SignUpMode.VERIFIED)
    app = make_app(site_of(verified), hub.status)
    whose = {"email": "a@example.net"}
    asked = [call(app, "POST", f"{PREFIX}/signup/letters", whose).status for _ in range(5)]
    most = LETTERS_PER_RECIPIENT[0].amount
    assert asked == [204] * most + [429] * (5 - most)
    assert call(app, "POST", f"{PREFIX}/resets", whose).status == 204


def test_who_may_change_nothing_uses_up_no_changes(app: bottle.Bottle, context: Context, owner: Actor) -> None:
    """Has a read token and a viewer ask for changes, and for previews, more often than changes are possible."""
    reading, writing = (
        api_tokens.issue(context, owner, name=scope, scope=scope, password=PASSWORD).text for scope in ("read", "write")
    )
    viewer = join(context, owner.organization_id, Role.VIEWER)
    for number in range(WRITES_PER_ORGANIZATION[0].amount):
        token = viewer if number % 2 else reading
        assert call(app, "POST", f"{PREFIX}/machines", {"name": "pune"}, token=token).status == 403
        assert (
            call(app, "POST", f"{PREFIX}/policy/preview", {"default": "deny", "rules": []}, token=token).status == 200
        )
    assert call(app, "POST", f"{PREFIX}/machines", {"name": "pune"}, token=writing).status == 201


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
def test_access_is_revoked_when_no_change_is_left(
    app: bottle.Bottle, context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    """Uses up the organization's requests and changes, and then those of a person to revoke access."""
    actor = owner if role is Role.OWNER else colleague(context, owner, role)
    token, other = sign_in(context, actor.member_id), colleague(context, owner, Role.ADMIN).member_id
    paths = [f"/tokens/{token_of(context, actor)}", f"/members/{other}"]
    for limit in ("read", "write"):
        use_up(monkeypatch, limit)
    revoked = [call(app, "DELETE", PREFIX + path, token=token).status for path in paths]
    assert revoked == ([204, 204] if role is Role.OWNER else [204, 403])
    for _ in range(REVOCATIONS[0].amount - len(paths)):
        assert call(app, "DELETE", f"{PREFIX}/tokens/none", token=token).status == 404
    assert call(app, "DELETE", f"{PREFIX}/tokens/none", token=token).status == 429
    assert call(app, "DELETE", f"{PREFIX}/sessions", token=join(context, owner.organization_id, role)).status == 200


def token_of(context: Context, actor: Actor) -> str:
    """Makes a token of this member; returns its id."""
    return api_tokens.issue(context, actor, name="ci", scope="read", password=PASSWORD).token.id
