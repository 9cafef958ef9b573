"""Fixtures and helpers of the tests of the API."""

from __future__ import annotations

import bottle
import pytest

from appliance.service import Context
from appliance.web.app import make_app
from tests.appliance.fakes import FakeHub
from tests.appliance.sites import make_site
from tests.appliance.web.client import SIGN_UP, Response, call


@pytest.fixture
def app(context: Context, hub: FakeHub) -> bottle.Bottle:
    """Provides an application whose limits regain nothing, however long a test takes."""
    return make_app(make_site(context.store, hub), hub.status)


@pytest.fixture
def token(app: bottle.Bottle) -> str:
    """Signs an organization up; provides the token of its owner's session."""
    return str(call(app, "POST", "/api/v1/signup", SIGN_UP).json["token"])


def assert_problem(response: Response, status: int) -> None:
    """Asserts that this is a problem document with the status."""
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json["status"] == status
    assert response.json["title"]
    assert response.json["detail"]
