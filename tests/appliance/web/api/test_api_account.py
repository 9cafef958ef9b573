"""A person's own account over the API."""

from __future__ import annotations

import json
from dataclasses import replace

import bottle
import pyotp
import pytest

from appliance.service import Context
from appliance.web.app import make_app
from appliance.web.site import Site
from tests.appliance.authenticator import Authenticator
from tests.appliance.clocks import WallClock
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.sites import site_of
from tests.appliance.web.client import SIGN_UP, Response, call

LOG_IN = {"email": "a@example.net", "password": PASSWORD}


@pytest.fixture
def site(context: Context, clock: WallClock) -> Site:
    return site_of(replace(context, clock=clock))


@pytest.fixture
def token(app: bottle.Bottle) -> str:
    return str(call(app, "POST", "/api/v1/signup", SIGN_UP, headers={"User-Agent": "fleet/1"}).json["token"])


def log_in(app: bottle.Bottle, **fields: str) -> Response:
    return call(app, "POST", "/api/v1/sessions", LOG_IN | fields, address="198.51.100.8")


def test_sessions_are_listed_and_ended(app: bottle.Bottle, token: str) -> None:
    other = log_in(app).json["token"]
    found = call(app, "GET", "/api/v1/sessions", token=token).json["sessions"]
    assert {(each["address"], each["user_agent"], each["current"]) for each in found} == {
        ("198.51.100.7", "fleet/1", True),
        ("198.51.100.8", "", False),
    }
    (doomed,) = (each["id"] for each in found if not each["current"])
    assert call(app, "DELETE", f"/api/v1/sessions/{doomed}", token=token).status == 204
    assert call(app, "GET", "/api/v1/sessions", token=other).status == 401
    assert call(app, "DELETE", f"/api/v1/sessions/{doomed}", token=token).status == 404
    log_in(app)
    assert call(app, "DELETE", "/api/v1/sessions", token=token).json == {"ended": 1}
    assert call(app, "DELETE", "/api/v1/sessions/current", token=token).status == 204
    assert call(app, "GET", "/api/v1/sessions", token=token).status == 401


def test_a_password_change_is_answered_with_a_new_session(app: bottle.Bottle, token: str) -> None:
    wish = {"password": SIGN_UP["password"], "new_password": "staple the correct horse"}
    answer = call(app, "PUT", "/api/v1/account/password", wish, token=token)
    assert answer.status == 200
    assert call(app, "GET", "/api/v1/organization", token=token).status == 401
    assert call(app, "GET", "/api/v1/organization", token=answer.json["token"]).status == 200
    assert log_in(app).status == 401
    assert log_in(app, password=wish["new_password"]).status == 201


def test_guesses_of_the_present_password_are_limited(app: bottle.Bottle, token: str) -> None:
    wish = {"password": "a guess", "new_password": "staple the correct horse"}
    for _ in range(5):
        answer = call(app, "PUT", "/api/v1/account/password", wish, token=token)
        assert answer.status == 403
        assert answer.json["type"] == "urn:meshwg:problem:wrong-proof"
        assert answer.json["field"] == "password"
    right = wish | {"password": SIGN_UP["password"]}
    answer = call(app, "PUT", "/api/v1/account/password", right, token=token)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_a_second_factor_is_set_up_used_and_turned_off(app: bottle.Bottle, token: str, clock: WallClock) -> None:
    password = {"password": SIGN_UP["password"]}
    made = call(app, "POST", "/api/v1/account/second-factor", password, token=token)
    assert made.status == 201
    phone = pyotp.parse_uri(made.json["uri"])
    assert isinstance(phone, pyotp.TOTP)
    assert phone.secret == made.json["secret"]
    code = phone.at(clock.now)
    enabled = call(app, "PUT", "/api/v1/account/second-factor", {"code": code}, token=token).json
    assert call(app, "GET", "/api/v1/account", token=token).status == 401
    token = enabled["token"]
    account = call(app, "GET", "/api/v1/account", token=token).json
    assert account["second_factor"] is True
    assert account["recovery_codes_left"] == len(enabled["recovery_codes"]) == 10

    # A client can tell that it has to ask for a code, and that the code was wrong.
    needed = log_in(app)
    assert needed.status == 401
    assert needed.json["type"] == "urn:meshwg:problem:code-needed"
    assert log_in(app, code=code).json["type"] == "urn:meshwg:problem:unauthenticated"
    clock.wait()
    assert log_in(app, code=phone.at(clock.now)).status == 201
    assert log_in(app, code=enabled["recovery_codes"][0]).status == 201

    proof = password | {"code": enabled["recovery_codes"][1]}
    renewed = call(app, "POST", "/api/v1/account/recovery-codes", proof, token=token)
    assert renewed.status == 201
    proof = password | {"code": renewed.json["recovery_codes"][0]}
    ended = call(app, "DELETE", "/api/v1/account/second-factor", proof, token=renewed.json["token"])
    assert ended.status == 200
    assert call(app, "GET", "/api/v1/account", token=ended.json["token"]).json["second_factor"] is False
    assert log_in(app).status == 201


def test_a_passkey_is_added_used_and_removed(context: Context, hub: FakeHub) -> None:
    named = replace(context, site="https://mesh.example.net")
    app = make_app(site_of(named), hub.status)
    token = call(app, "POST", "/api/v1/signup", SIGN_UP).json["token"]
    device = Authenticator(named.site)
    options = call(app, "POST", "/api/v1/account/passkeys/options", token=token).json["options"]
    made = json.loads(device.create(json.dumps(options)))
    body = {"password": SIGN_UP["password"], "name": "Laptop", "credential": made}
    added = call(app, "POST", "/api/v1/account/passkeys", body, token=token)
    assert added.status == 201
    token = added.json["token"]

    begun = call(app, "POST", "/api/v1/sessions/passkey/options").json
    body = {"handle": begun["handle"], "credential": json.loads(device.get(json.dumps(begun["options"])))}
    assert call(app, "POST", "/api/v1/sessions/passkey", body | {"handle": "another"}).status == 401
    assert call(app, "POST", "/api/v1/sessions/passkey", body).status == 201
    assert call(app, "POST", "/api/v1/sessions/passkey", body).status == 401

    (known,) = call(app, "GET", "/api/v1/account/passkeys", token=token).json["passkeys"]
    path = f"/api/v1/account/passkeys/{known['id']}"
    assert known["last_used_at"] is not None
    assert call(app, "PATCH", path, {"name": "Phone"}, token=token).status == 204
    removed = call(app, "DELETE", path, {"password": SIGN_UP["password"]}, token=token)
    assert removed.status == 200
    assert call(app, "GET", "/api/v1/account/passkeys", token=removed.json["token"]).json == {
        "passkeys": [],
        "next": None,
    }
