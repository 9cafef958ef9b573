"""Stores and sites for tests that need them outside of a fixture."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from appliance.service import Context
from appliance.service.readings import Readings
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store, instance, migration
from appliance.store.instance import Instance
from appliance.vault import Lock
from appliance.web.limits import RateLimits
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub


def make_store(file: Path) -> Store:
    """Makes an empty store in a file."""
    file.write_bytes(_empty())
    return Store(f"sqlite:///{file}")


@functools.cache
def _empty() -> bytes:
    """Returns the content of a file with the schema, cached because a migration takes 30 ms."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.sqlite"
        store = Store(f"sqlite:///{file}")
        migration.upgrade(store)
        store.close()
        return file.read_bytes()


def make_data(folder: Path) -> Store:
    """Makes a data folder in which a service has run; returns its store."""
    file = folder / "store" / "meshwg.sqlite"
    file.parent.mkdir(parents=True)
    store = make_store(file)
    with store.write() as transaction:
        instance.create(transaction, Instance("abc", Lock(b"salt", 2, 1, 1, b"proof")))
    return store


def make_site(store: Store, hub: FakeHub, transcripts: Path = Path("nowhere")) -> Site:
    """Makes a site whose limits regain nothing and whose readings are not kept, however long a test takes."""
    unkept: dict[str, Any] = {name: Readings(clock=_standing) for name in ("counts", "statuses")}
    return site_of(Context(store, hub, "vpn.example.net:51820", **unkept), transcripts=transcripts)


def site_of(context: Context, limits: RateLimits | None = None, transcripts: Path = Path("nowhere")) -> Site:
    """Makes a site of this context; its limits regain nothing, unless others are given."""
    return Site(context, limits or RateLimits(clock=_standing), PublishedRuns(transcripts))


def _standing() -> float:
    return 1000.0
