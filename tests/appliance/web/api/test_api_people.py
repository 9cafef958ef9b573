"""People and tokens over the API."""

from __future__ import annotations

from typing import Any

import bottle
import pytest

from appliance.model.organization import Role
from appliance.service import Actor, Context, tokens
from appliance.store import organizations
from appliance.web.api import ROUTES
from appliance.web.api.reply import PREFIX
from appliance.web.request import COOKIE
from tests.appliance.members import NEW_PASSWORD, PASSWORD, join, sign_in
from tests.appliance.web.client import Response, call


@pytest.fixture
def token(context: Context, owner: Actor) -> str:
    return sign_in(context, owner.member_id)


def ask(app: bottle.Bottle, method: str, path: str, body: Any = None, token: str | None = None) -> Response:
    return call(app, method, PREFIX + path, body, token=token)


def test_an_invitation_s_link_makes_a_member(app: bottle.Bottle, token: str) -> None:
    invited = ask(app, "POST", "/invitations", {"email": "ravi@example.net", "role": "admin"}, token)
    assert invited.status == 201
    assert set(invited.json) == {"invitation", "link"}
    (pending,) = ask(app, "GET", "/invitations", token=token).json["invitations"]
    assert pending == invited.json["invitation"]
    assert (pending["email"], pending["role"], pending["invited_by"]) == (
        "ravi@example.net",
        "admin",
        "owner@example.net",
    )
    body = {"token": invited.json["link"].rpartition("/")[2], "password": NEW_PASSWORD}
    accepted = ask(app, "POST", "/invitations/accept", body)
    assert accepted.status == 201
    assert ask(app, "POST", "/machines", {"name": "one"}, accepted.json["token"]).status == 201
    assert ask(app, "POST", "/invitations/accept", body).status == 404
    people = ask(app, "GET", "/members", token=token).json["members"]
    assert sorted((each["email"], each["role"]) for each in people) == [
        ("owner@example.net", "owner"),
        ("ravi@example.net", "admin"),
    ]


def test_a_suspension_is_told_to_programs_and_the_invited(
    app: bottle.Bottle, token: str, context: Context, owner: Actor
) -> None:
    link = ask(app, "POST", "/invitations", {"email": "ravi@example.net"}, token).json["link"]
    program = ask(app, "POST", "/tokens", {"name": "ci", "password": PASSWORD}, token).json["token"]
    with context.store.write() as transaction:
        organizations.suspend(transaction, owner.organization_id, context.clock())
    body = {"token": link.rpartition("/")[2], "password": NEW_PASSWORD}
    for answer in (
        ask(app, "POST", "/invitations/accept", body),
        ask(app, "GET", "/machines", token=program),
        ask(app, "DELETE", "/account", {"password": PASSWORD}, program),
    ):
        assert (answer.status, answer.json["type"]) == (403, "urn:meshwg:problem:suspended")


def test_a_member_changes_roles_and_is_removed(app: bottle.Bottle, token: str, context: Context, owner: Actor) -> None:
    theirs = join(context, owner.organization_id, Role.VIEWER)
    found = ask(app, "GET", "/members", token=theirs).json["members"]
    other = next(each["id"] for each in found if each["role"] == "viewer")
    assert ask(app, "PATCH", f"/members/{other}", {"role": "admin"}, token).json["role"] == "admin"
    assert ask(app, "POST", "/machines", {"name": "one"}, theirs).status == 201
    assert ask(app, "DELETE", "/account", {"password": PASSWORD}, token).status == 409
    assert ask(app, "POST", "/organization/transfer", {"member": other}, token).json["role"] == "owner"
    assert ask(app, "PATCH", f"/members/{other}", {"role": "viewer"}, token).status == 403
    assert ask(app, "DELETE", f"/members/{owner.member_id}", token=theirs).status == 204
    assert ask(app, "GET", "/organization", token=token).status == 401


def test_leaving_needs_the_password_and_guesses_are_limited(
    app: bottle.Bottle, token: str, context: Context, owner: Actor
) -> None:
    join(context, owner.organization_id, Role.OWNER)
    for _ in range(5):
        assert ask(app, "DELETE", "/account", {"password": "guess"}, token).status == 403
    assert ask(app, "DELETE", "/account", {"password": PASSWORD}, token).status == 429


def test_tokens_are_made_used_listed_and_revoked(app: bottle.Bottle, token: str) -> None:
    made = ask(app, "POST", "/tokens", {"password": PASSWORD, "name": "ci", "scope": "write", "days": 30}, token)
    assert made.status == 201
    program = made.json["token"]
    assert set(made.json["api_token"]) == {
        "id", "name", "scope", "member", "created_at", "expires_at", "last_used_at",
    }  # fmt: skip
    assert ask(app, "POST", "/machines", {"name": "one"}, program).status == 201
    (listed,) = ask(app, "GET", "/tokens", token=token).json["tokens"]
    assert listed["last_used_at"] is not None
    assert program not in str(listed)
    assert ask(app, "DELETE", f"/tokens/{listed['id']}", token=token).status == 204
    refused = ask(app, "GET", "/machines", token=program)
    assert refused.status == 401
    assert refused.headers["Www-Authenticate"] == "Bearer"


def name_of(row: Any) -> str:
    return f"{row.method} {row.path}"


@pytest.mark.parametrize("row", [row for row in ROUTES if not row.access.is_public], ids=name_of)
def test_the_token_s_scope_is_stated_beside_the_call(app: bottle.Bottle, token: str, row: Any) -> None:
    for scope in ("read", "write"):
        wishes = {"password": PASSWORD, "name": scope, "scope": scope}
        program = ask(app, "POST", "/tokens", wishes, token).json["token"]
        path = row.path.replace("{id}", "x").replace("{month}", "2026-01")
        answer = ask(app, row.method, path, {}, program)
        may = row.access.scope is not None and row.access.scope.value in ("read", scope)
        assert (answer.status != 403) is may, answer.data


def test_a_read_token_changes_nothing_and_no_token_manages() -> None:
    """Repeats the list of calls: a test that reads the table would not notice a mistake in the table."""
    scopes = {name_of(row): row.access.scope and row.access.scope.value for row in ROUTES}
    assert {name for name, scope in scopes.items() if scope == "read" and not name.startswith("GET ")} == {
        "POST /policy/check",
        "POST /policy/preview",
    }
    managing = ("/members", "/invitations", "/tokens", "/organization/", "/account", "/sessions")
    taking_a_person = {name for name in scopes if name.split()[1].startswith(managing)} - {"GET /members"}
    assert {scopes[name] for name in taking_a_person} == {None}
    assert scopes["PATCH /organization"] is None
    assert scopes["DELETE /organization"] is None


def test_an_api_token_in_a_cookie_is_refused(app: bottle.Bottle, token: str) -> None:
    program = ask(app, "POST", "/tokens", {"password": PASSWORD, "name": "ci", "scope": "write"}, token).json["token"]
    headers = {"Cookie": f"{COOKIE}={program}", "X-CSRF-Token": tokens.csrf_of(program)}
    assert call(app, "GET", f"{PREFIX}/machines", headers=headers).status == 401
    assert call(app, "GET", "/machines", headers=headers).status == 303


def test_invitations_are_limited(app: bottle.Bottle, token: str) -> None:
    for number in range(30):
        assert ask(app, "POST", "/invitations", {"email": f"{number}@example.net"}, token).status == 201
    refused = ask(app, "POST", "/invitations", {"email": "x@example.net"}, token)
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0
