"""A store and a site for tests that need them outside of a fixture."""

from __future__ import annotations

from pathlib import Path

from appliance.service import Workplace
from appliance.service.transcripts import Shelf
from appliance.store import Store
from appliance.web.limits import RateLimits
from appliance.web.request import Site
from tests.appliance.fakes import FakeHub


def make_store(file: Path) -> Store:
    """An empty store in this file."""
    store = Store(f"sqlite:///{file}")
    store.upgrade()
    return store


def make_site(store: Store, hub: FakeHub, transcripts: Path = Path("nowhere")) -> Site:
    """A site over these."""
    return Site(Workplace(store, hub, "vpn.example.net", 51820), RateLimits(), Shelf(transcripts))
