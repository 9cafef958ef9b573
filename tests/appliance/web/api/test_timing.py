"""Time that enforcing a policy took, as the answers of saves tell it."""

from __future__ import annotations

import re
import time

import bottle
import pytest

from appliance.web.api import SECTIONS
from tests.appliance.fakes import FakeHub
from tests.appliance.web.client import Response, call

RULE = {"action": "deny", "source": "any", "destination": "group:red"}
SLOW_S = 0.05


@pytest.fixture
def app(app: bottle.Bottle, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> bottle.Bottle:
    apply = hub.apply

    def slowly(*arguments: object, **named: object) -> None:
        time.sleep(SLOW_S)
        apply(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(hub, "apply", slowly)
    return app


def enforced_ms(answer: Response) -> float:
    """Returns the milliseconds that an answer tells."""
    found = re.fullmatch(r"enforce;dur=(\d+\.\d{3})", answer.headers["Server-Timing"])
    assert found is not None
    return float(found[1])


def test_every_save_of_the_policy_tells_its_time(app: bottle.Bottle, token: str) -> None:
    made = call(app, "POST", "/api/v1/policy/rules", RULE, token=token)
    path = f"/api/v1/policy/rules/{made.json['id']}"
    answers = [
        made,
        call(app, "PATCH", path, {"action": "allow"}, token=token),
        call(app, "DELETE", path, token=token),
        call(app, "PUT", "/api/v1/policy", {"default": "deny", "rules": []}, token=token),
    ]
    for answer in answers:
        assert answer.status < 300
        assert enforced_ms(answer) >= SLOW_S * 1000


def test_a_save_that_enforces_nothing_tells_no_time(app: bottle.Bottle, token: str) -> None:
    same = {"default": "allow", "rules": []}
    answer = call(app, "PUT", "/api/v1/policy", same, token=token)
    assert answer.status == 200
    assert "Server-Timing" not in answer.headers


def test_a_refused_save_tells_no_time(app: bottle.Bottle, token: str, hub: FakeHub) -> None:
    hub.refuses = True
    answer = call(app, "POST", "/api/v1/policy/rules", RULE, token=token)
    assert answer.status == 503
    assert "Server-Timing" not in answer.headers


def test_the_description_names_the_calls_that_tell_it(app: bottle.Bottle) -> None:
    described = call(app, "GET", "/api/v1/openapi.json").json["paths"]
    telling = {
        (method, path)
        for path, operations in described.items()
        for method, operation in operations.items()
        for answer in operation["responses"].values()
        if "Server-Timing" in answer.get("headers", {})
    }
    assert telling == {
        (route.method.lower(), route.path) for section in SECTIONS for route in section.routes if route.is_timed
    }
    assert {
        ("put", "/policy"),
        ("post", "/policy/rules"),
        ("patch", "/policy/rules/{id}"),
        ("delete", "/policy/rules/{id}"),
    } <= telling
