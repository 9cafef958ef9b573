"""Fixtures of the web: a site with a fake hub, and its application."""

from __future__ import annotations

from pathlib import Path

import bottle
import pytest
from babel.messages.catalog import Catalog

from appliance.service import Context
from appliance.web.app import make_app
from appliance.web.languages import upkeep
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub
from tests.appliance.sites import make_site
from tests.appliance.web.client import SIGN_UP, call


@pytest.fixture(scope="session")
def code() -> Catalog:
    """Extracts all messages of the code, once, because it takes a second."""
    return upkeep.extracted()


@pytest.fixture
def site(context: Context, hub: FakeHub, tmp_path: Path) -> Site:
    """Provides a site whose limits regain nothing, however long a test takes."""
    return make_site(context.store, hub, tmp_path / "transcripts")


@pytest.fixture
def app(site: Site, hub: FakeHub) -> bottle.Bottle:
    return make_app(site, hub.status)


@pytest.fixture
def token(app: bottle.Bottle) -> str:
    """Signs an organization up by the API; provides the token of its owner's session."""
    return str(call(app, "POST", "/api/v1/signup", SIGN_UP).json["token"])
