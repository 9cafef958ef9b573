"""Calls with a limit of their own ask it, and do nothing beyond it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle
import pytest

from appliance.service import Context
from appliance.service.transcripts import PublishedRuns
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.web.client import call
from tests.appliance.web.used_up import use_up

PREFIX = "/api/v1"
SIGN_UP = {"email": "a@example.net", "password": "correct horse battery", "organization": "acme-networks"}
CALLS = [
    ("configuration", "POST", "/machines", {"name": "pune"}),
    ("configuration", "POST", "/machines/{id}/rotate", {}),
    ("enabling", "PATCH", "/machines/{id}", {"enabled": True}),
    ("ping", "POST", "/machines/{id}/ping", None),
    ("invitation", "POST", "/invitations", {"email": "b@example.net", "role": "viewer"}),
]


@pytest.fixture
def app(context: Context, hub: FakeHub, tmp_path: Path) -> bottle.Bottle:
    return make_app(Site(context, RateLimits(), PublishedRuns(tmp_path / "transcripts")), hub.status)


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
