"""Preview, history and expectations of a policy over the API."""

from __future__ import annotations

from typing import Any

import bottle
import pytest

from appliance.service import Actor, Context
from appliance.web.api.reply import PREFIX
from appliance.web.app import make_app
from tests.appliance.fakes import FakeHub
from tests.appliance.members import sign_in
from tests.appliance.sites import make_site
from tests.appliance.web.client import Response, call

DENY_SSH = {"action": "deny", "source": "any", "destination": "any", "protocol": "tcp", "ports": "22"}


@pytest.fixture
def app(context: Context, hub: FakeHub) -> bottle.Bottle:
    return make_app(make_site(context.store, hub), hub.status)


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
