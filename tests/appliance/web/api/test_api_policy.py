"""Preview, history and expectations of a policy over the API."""

from __future__ import annotations

from typing import Any

import bottle
import pytest

from appliance.service import Actor, Context
from appliance.service.expectations import MOST
from appliance.web.api.reply import PREFIX
from tests.appliance.members import sign_in
from tests.appliance.web.client import Response, call

DENY_SSH = {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": "22"}


@pytest.fixture
def token(context: Context, owner: Actor) -> str:
    return sign_in(context, owner.member_id)


@pytest.fixture
def machines(app: bottle.Bottle, token: str) -> list[str]:
    """Provides the ids of two machines."""
    return [ask(app, "POST", "/machines", {"name": name}, token).json["machine"]["id"] for name in "ab"]


def ask(app: bottle.Bottle, method: str, path: str, body: Any = None, token: str | None = None) -> Response:
    return call(app, method, PREFIX + path, body, token=token)


def test_a_preview_takes_the_body_of_a_save(app: bottle.Bottle, token: str, machines: list[str]) -> None:
    policy = ask(app, "GET", "/policy", token=token).json
    wished = {**policy, "rules": [DENY_SSH]}
    answer = ask(app, "POST", "/policy/preview", wished, token)
    closes = {"sources": machines, "destinations": machines, "protocol": "tcp", "ports": "22", "pairs": 2}
    nothing = {"opens_left_out": 0, "closes_left_out": 0, "not_compared": 0}
    assert answer.json == {"opens": [], "closes": [closes], **nothing}
    assert ask(app, "GET", "/policy", token=token).json == policy
    assert ask(app, "PUT", "/policy", wished, token).status == 200
    everything = {**closes, "protocol": "any", "ports": "all"}
    answer = ask(app, "POST", "/policy/preview", {"default": "deny", "rules": []}, token)
    assert [each["protocol"] for each in answer.json["closes"]] == ["tcp", "udp", "icmp", "other"]
    answer = ask(app, "POST", "/policy/preview", {"default": "allow", "rules": []}, token)
    assert answer.json == {"opens": [closes], "closes": [], **nothing}
    assert ask(app, "PUT", "/policy", {"default": "allow", "rules": []}, token).status == 200
    answer = ask(app, "POST", "/policy/preview", {"default": "deny", "rules": []}, token)
    assert answer.json["closes"] == [everything]
    assert ask(app, "POST", "/policy/preview", wished, token).status == 409


def test_an_earlier_version_is_listed_and_restored(app: bottle.Bottle, token: str) -> None:
    policy = ask(app, "GET", "/policy", token=token).json
    made = ask(app, "POST", "/policy/rules", DENY_SSH, token).json
    history = ask(app, "GET", "/policy/history", token=token).json
    latest, first = history["versions"]
    assert history["next"] is None
    assert first == {"version": 1, "at": None, "actor": None, "changes": {}}
    assert (latest["version"], latest["actor"]) == (2, "owner@example.net")
    assert latest["changes"] == {"added": ["deny any to any, tcp 22"], "default": "allow", "rules": 1}
    restored = ask(app, "POST", "/policy/restore", {"version": 1}, token)
    assert restored.json == {**policy, "version": 3}
    assert restored.headers["ETag"] == '"3"'
    again = ask(app, "POST", "/policy/restore", {"version": 2}, token).json
    assert again == {"default": "allow", "rules": [made], "version": 4}
    assert ask(app, "POST", "/policy/restore", {"version": 9}, token).status == 404
    stale = call(app, "POST", f"{PREFIX}/policy/restore", {"version": 1}, token=token, headers={"If-Match": '"3"'})
    assert stale.status == 412
    page = ask(app, "GET", "/policy/history?limit=3", token=token).json
    assert [each["version"] for each in page["versions"]] == [4, 3, 2]
    rest = ask(app, "GET", f"/policy/history?after={page['next']}", token=token).json
    assert ([each["version"] for each in rest["versions"]], rest["next"]) == ([1], None)


def test_a_repeated_restore_is_done_once(app: bottle.Bottle, token: str) -> None:
    ask(app, "POST", "/policy/rules", DENY_SSH, token)
    path, body, key = f"{PREFIX}/policy/restore", {"version": 1}, {"Idempotency-Key": "one"}
    first = call(app, "POST", path, body, token=token, headers=key)
    again = call(app, "POST", path, body, token=token, headers=key)
    assert (again.status, again.json) == (first.status, first.json) == (200, again.json)
    assert ask(app, "GET", "/policy", token=token).json["version"] == 3


def test_expectations_refuse_what_would_break_them(app: bottle.Bottle, token: str) -> None:
    for name in ("guests", "db"):
        ask(app, "POST", "/machines", {"name": name, "groups": [name]}, token)
    made = ask(app, "POST", "/policy/rules", DENY_SSH, token).json
    assert ask(app, "GET", "/policy/expectations", token=token).json == []
    wanted = {"source": "group:guests", "destination": "group:db", "protocol": "tcp", "port": 22, "verdict": "deny"}
    saved = ask(app, "PUT", "/policy/expectations", [wanted], token)
    assert saved.json == [{**wanted, "holds": True, "pairs": 1}]
    assert ask(app, "PUT", "/policy/expectations", saved.json, token).json == saved.json
    assert ask(app, "GET", "/policy/expectations", token=token).json == saved.json
    refused = ask(app, "DELETE", f"/policy/rules/{made['id']}", token=token)
    assert (refused.status, refused.json["type"]) == (409, "urn:meshwg:problem:expectation-broken")
    assert "deny group:guests to group:db, tcp 22" in refused.json["detail"]
    for method, path, body in (
        ("PUT", "/policy", {"default": "allow", "rules": []}),
        ("PATCH", f"/policy/rules/{made['id']}", {"ports": "23"}),
        ("POST", "/policy/restore", {"version": 1}),
        ("DELETE", f"/policy/rules/{made['id']}", None),
    ):
        assert ask(app, method, path, body, token).status == 409
        assert ask(app, method, f"{path}?force=false", body, token).status == 409
        assert ask(app, method, f"{path}?force=yes", body, token).status == 422
    assert ask(app, "GET", "/policy/expectations", token=token).json == saved.json
    assert ask(app, "DELETE", f"/policy/rules/{made['id']}?force=true", token=token).status == 204
    assert ask(app, "GET", "/policy/expectations", token=token).json == [{**wanted, "holds": False, "pairs": 1}]


def test_expectations_are_not_overwritten_unseen(app: bottle.Bottle, token: str) -> None:
    path = f"{PREFIX}/policy/expectations"
    wanted = [
        {"source": "any", "destination": "any", "protocol": "tcp", "port": port, "verdict": "allow"} for port in (1, 2)
    ]

    def put(body: list[Any], tag: str) -> tuple[int, str]:
        answer = call(app, "PUT", path, body, token=token, headers={"If-Match": tag})
        return answer.status, answer.headers.get("etag", "")

    none = call(app, "GET", path, token=token).headers["etag"]
    status, one = put(wanted[:1], none)
    assert (status, one) == (200, call(app, "GET", path, token=token).headers["etag"])
    assert put(wanted, none)[0] == 412
    assert put(wanted, '"other"')[0] == 412
    # A saved policy changes what holds, and not what is expected.
    for name in ("one", "two"):
        ask(app, "POST", "/machines", {"name": name}, token)
    assert ask(app, "PUT", "/policy?force=true", {"default": "deny", "rules": []}, token).status == 200
    changed = call(app, "GET", path, token=token, headers={"If-None-Match": one})
    assert (changed.status, changed.json[0]["holds"]) == (200, False)
    status, two = put(wanted, f'"x", {one}')
    assert status == 200
    assert call(app, "GET", path, token=token, headers={"If-None-Match": two}).status == 304
    assert put([], "*")[0] == 200
    assert put([], none)[0] == 200
    assert ask(app, "PUT", "/policy/expectations", wanted, token).status == 200


def test_too_many_expectations_are_not_parsed(app: bottle.Bottle, token: str) -> None:
    """Sends more than the limit of which none can be parsed: the refusal is of their number, not of the first one."""
    body = [{"source": "nothing", "destination": "any", "verdict": "deny"}]
    assert ask(app, "PUT", "/policy/expectations", body, token).json["field"] == "source"
    refused = ask(app, "PUT", "/policy/expectations", body * (MOST + 1), token)
    assert (refused.status, refused.json["field"]) == (422, "expectations")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [{}],
        [{"source": "machine:nobody", "destination": "any", "verdict": "deny"}],
        [{"source": "group:a", "destination": "any", "verdict": "perhaps"}],
        [{"source": "group:a", "destination": "any", "verdict": "deny", "port": 22}],
        [{"source": "group:a", "destination": "any", "verdict": "deny"}] * 201,
    ],
)
def test_expectations_of_another_form_are_refused(app: bottle.Bottle, token: str, body: Any) -> None:
    assert ask(app, "PUT", "/policy/expectations", body, token).status == 422
