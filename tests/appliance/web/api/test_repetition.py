"""Repeated requests and conditional requests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import bottle
import pytest
from sqlalchemy import Connection, func, select

from appliance.model.errors import Unavailable
from appliance.model.keys import new_key_pair
from appliance.model.sign_up import SignUpMode
from appliance.service import Context
from appliance.store import Store, schema
from appliance.web.app import make_app
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.sites import site_of
from tests.appliance.web.client import Response, call

EMPTY: dict[str, Any] = {"default": "deny", "rules": []}
RULE = {"action": "deny", "source": "any", "destination": "group:red"}


def post(app: bottle.Bottle, token: str, path: str, body: Any, key: str = "0c7a6bd2") -> Response:
    return call(app, "POST", f"/api/v1{path}", body, token=token, headers={"Idempotency-Key": key})


def put(app: bottle.Bottle, token: str, body: dict[str, Any], **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(app, "PUT", "/api/v1/policy", body, token=token, headers=named)


def code_of(response: Response) -> str:
    return str(response.json["type"]).rpartition(":")[2]


def test_a_repeated_rule_is_added_once_and_answered_alike(app: bottle.Bottle, token: str) -> None:
    first, second = (post(app, token, "/policy/rules", RULE) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json == second.json
    assert len(call(app, "GET", "/api/v1/policy", token=token).json["rules"]) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [("/policy/preview", EMPTY), ("/policy/restore", {"version": 1}), ("/verifications", {})],
)
def test_answers_without_a_secret_are_repeated(context: Context, hub: FakeHub, path: str, body: dict[str, Any]) -> None:
    app = make_app(site_of(replace(context, sends_mail=True)), hub.status)
    token = call(app, "POST", "/api/v1/signup", SIGN_UP).json["token"]
    post(app, token, "/policy/rules", RULE, key="another")
    first, second = (post(app, token, path, body) for _ in range(2))
    assert first.status in {200, 204}
    assert (second.status, second.data) == (first.status, first.data)


def test_an_idempotency_key_is_valid_for_one_request(app: bottle.Bottle, token: str) -> None:
    post(app, token, "/policy/rules", RULE)
    for path, body in (
        ("/policy/rules", {**RULE, "action": "allow"}),
        ("/policy/check", {"source": "any", "destination": "any"}),
    ):
        refused = post(app, token, path, body)
        assert (refused.status, code_of(refused)) == (422, "key-reused")


def test_a_private_key_is_not_sent_twice_and_not_stored(app: bottle.Bottle, token: str, context: Context) -> None:
    first = post(app, token, "/machines", {"name": "one"})
    where = first.headers["Location"]
    assert where == f"/api/v1/machines/{first.json['machine']['id']}"
    second = post(app, token, "/machines", {"name": "one"})
    assert (second.status, code_of(second)) == (409, "done-before")
    assert second.headers["Location"] == where
    assert call(app, "GET", where, token=token).json["name"] == "one"
    assert len(call(app, "GET", "/api/v1/machines", token=token).json["machines"]) == 1
    secret = next(line for line in first.json["config"].splitlines() if line.startswith("PrivateKey")).split()[-1]
    with context.store.read() as transaction:
        kept = transaction.exec_driver_sql("SELECT * FROM repeats").fetchall()
    assert len(kept) == 1
    assert secret not in str(kept)


def test_a_repeated_rotation_leaves_the_new_key(app: bottle.Bottle, token: str) -> None:
    machine = post(app, token, "/machines", {"name": "one"}, "a").json["machine"]["id"]
    mine = new_key_pair().public
    post(app, token, f"/machines/{machine}/rotate", {"public_key": mine}, "b")
    assert post(app, token, f"/machines/{machine}/rotate", {"public_key": mine}, "b").status == 409
    assert call(app, "GET", f"/api/v1/machines/{machine}", token=token).json["public_key"] == mine


def test_a_refused_call_can_be_repeated(app: bottle.Bottle, token: str, hub: FakeHub) -> None:
    hub.refuses = True
    assert post(app, token, "/policy/rules", RULE).status == 503
    hub.refuses = False
    assert post(app, token, "/policy/rules", RULE).status == 201


SIGN_UP = {"email": "b@example.net", "password": PASSWORD, "organization": "bolt"}
LOG_IN = {"email": "a@example.net", "password": PASSWORD}


def by_stranger(app: bottle.Bottle, path: str, body: Any, key: str = "0c7a6bd2") -> Response:
    return call(app, "POST", f"/api/v1{path}", body, headers={"Idempotency-Key": key})


def count(context: Context, table: str) -> int:
    with context.store.read() as transaction:
        return int(transaction.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one())


def test_a_repeated_sign_up_is_answered_as_done(app: bottle.Bottle, context: Context) -> None:
    assert by_stranger(app, "/signup", SIGN_UP).status == 201
    again = by_stranger(app, "/signup", SIGN_UP)
    assert (again.status, code_of(again)) == (409, "done-before")
    assert "Log in to go on" in again.json["detail"]
    for other in (by_stranger(app, "/signup", SIGN_UP, "another"), call(app, "POST", "/api/v1/signup", SIGN_UP)):
        assert (other.status, code_of(other)) == (409, "conflict")
    assert count(context, "organizations") == 1


def test_a_repeated_log_in_opens_one_session(app: bottle.Bottle, token: str, context: Context) -> None:
    del token
    before = count(context, "sessions")
    assert by_stranger(app, "/sessions", LOG_IN).status == 201
    again = by_stranger(app, "/sessions", LOG_IN)
    assert (again.status, code_of(again)) == (409, "done-before")
    assert count(context, "sessions") == before + 1
    assert by_stranger(app, "/sessions", LOG_IN, "another").status == 201


def test_a_letter_asked_for_twice_is_sent_once(context: Context, hub: FakeHub) -> None:
    verified = replace(context, sends_mail=True, sign_up=SignUpMode.VERIFIED)
    site = site_of(verified)
    app = make_app(site, hub.status)
    asked = []
    for _ in range(2):
        assert by_stranger(app, "/signup/letters", {"email": "b@example.net"}).status == 204
        with context.store.read() as transaction:
            asked.append(transaction.execute(select(schema.mail.c.about)).scalars().all())
    assert asked[0] == asked[1] != []
    assert site.call_posts.counted["told"] == 1


def test_an_anonymous_key_with_another_request_is_another_call(app: bottle.Bottle, token: str) -> None:
    del token
    assert by_stranger(app, "/sessions", LOG_IN).status == 201
    assert by_stranger(app, "/sessions", {**LOG_IN, "password": "a wrong guess"}).status == 401
    assert by_stranger(app, "/signup", SIGN_UP).status == 201
    elsewhere = call(
        app, "POST", "/api/v1/sessions", LOG_IN, headers={"Idempotency-Key": "0c7a6bd2"}, address="192.0.2.9"
    )
    assert elsewhere.status == 201


def test_an_anonymous_refused_call_can_be_repeated(app: bottle.Bottle, hub: FakeHub) -> None:
    hub.refuses = True
    assert by_stranger(app, "/signup", SIGN_UP).status == 503
    hub.refuses = False
    assert by_stranger(app, "/signup", SIGN_UP).status == 201


def test_a_repetition_after_a_lost_commit_names_the_resource(
    app: bottle.Bottle, token: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, commits = Store.write, itertools.count(1)

    @contextmanager
    def losing(store: Store) -> Iterator[Connection]:
        """Loses the second transaction, which is the change's; the first one records the request."""
        is_lost = next(commits) == 2
        with write(store) as transaction:
            yield transaction
        if is_lost:
            raise Unavailable("lost")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", losing)
        first = post(app, token, "/machines", {"name": "one"})
    (made,) = call(app, "GET", "/api/v1/machines", token=token).json["machines"]
    for answer in (first, post(app, token, "/machines", {"name": "one"})):
        assert (answer.status, code_of(answer)) == (409, "done-before")
        assert answer.headers["Location"] == f"/api/v1/machines/{made['id']}"
        assert "its answer got lost" in answer.json["detail"]
    assert count(context, "machines") == 1


@pytest.mark.parametrize("key", ["x" * 256, "a\x01b"])
def test_an_idempotency_key_is_short_and_ascii(app: bottle.Bottle, token: str, key: str) -> None:
    assert post(app, token, "/policy/rules", RULE, key).status == 400


def test_a_policy_is_saved_only_over_the_version_that_was_read(app: bottle.Bottle, token: str) -> None:
    got = call(app, "GET", "/api/v1/policy", token=token)
    seen = got.headers["Etag"]
    assert seen == f'"{got.json["version"]}"'
    policy = {"default": "deny", "rules": []}
    saved = put(app, token, policy, If_Match=f'"7", {seen}')
    assert saved.status == 200
    assert saved.headers["Etag"] != seen
    late = put(app, token, policy, If_Match=seen)
    assert (late.status, code_of(late)) == (412, "precondition-failed")
    assert put(app, token, policy, If_Match=f"W/{saved.headers['Etag']}").status == 412
    assert put(app, token, policy, If_Match="*").status == 200
    assert put(app, token, policy, If_Match="nonsense").status == 412


def test_a_stale_version_in_the_body_is_a_conflict(app: bottle.Bottle, token: str) -> None:
    seen = call(app, "GET", "/api/v1/policy", token=token)
    policy = {"default": "deny", "rules": [], "version": seen.json["version"] + 5}
    assert put(app, token, policy).status == 409
    assert put(app, token, policy, If_Match=seen.headers["Etag"]).status == 409


def test_changes_of_rules_obey_the_condition_too(app: bottle.Bottle, token: str) -> None:
    seen = {"If-Match": call(app, "GET", "/api/v1/policy", token=token).headers["Etag"]}
    made = call(app, "POST", "/api/v1/policy/rules", RULE, token=token, headers=seen)
    assert made.status == 201
    assert call(app, "POST", "/api/v1/policy/rules", RULE, token=token, headers=seen).status == 412
    path = f"/api/v1/policy/rules/{made.json['id']}"
    assert call(app, "PATCH", path, {"action": "deny"}, token=token, headers=seen).status == 412
    assert call(app, "DELETE", path, token=token, headers=seen).status == 412
    now = {"If-Match": call(app, "GET", "/api/v1/policy", token=token).headers["Etag"]}
    assert call(app, "DELETE", path, token=token, headers=now).status == 204


def test_a_condition_is_checked_without_loading_the_rules(
    app: bottle.Bottle, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.service.policy.get", lambda *_: pytest.fail("the rules were loaded"))
    assert put(app, token, {"default": "deny", "rules": []}, If_Match='"7"').status == 412
    assert put(app, token, {"default": "deny", "rules": []}, If_Match='"1"').status == 200


@pytest.mark.parametrize("path", ["/policy", "/organization", "/machines", "/members"])
def test_an_unchanged_answer_is_a_304_without_a_body(app: bottle.Bottle, token: str, path: str) -> None:
    seen = call(app, "GET", f"/api/v1{path}", token=token).headers["Etag"]
    for header in (seen, f"W/{seen}", f'"x", {seen}', "*"):
        answer = call(app, "GET", f"/api/v1{path}", token=token, headers={"If-None-Match": header})
        assert (answer.status, answer.data, answer.headers["Etag"]) == (304, b"", seen)
    assert call(app, "GET", f"/api/v1{path}", token=token, headers={"If-None-Match": '"x"'}).status == 200
