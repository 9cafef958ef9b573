"""A store and a site for tests that need them outside of a fixture."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from appliance.service import Context
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store, instance, migration
from appliance.store.instance import Instance
from appliance.vault import Lock
from appliance.web.limits import RateLimits
from appliance.web.site import Site
from tests.appliance.fakes import FakeHub


def make_store(file: Path) -> Store:
    """An empty store in this file."""
    file.write_bytes(_empty())
    return Store(f"sqlite:///{file}")


@functools.cache
def _empty() -> bytes:
    """A file with the schema in it: to bring it there takes 30 ms each time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.sqlite"
        store = Store(f"sqlite:///{file}")
        migration.upgrade(store)
        store.close()
        return file.read_bytes()


def make_data(folder: Path) -> Store:
    """The store of a data folder where a service ran once."""
    file = folder / "store" / "meshwg.sqlite"
    file.parent.mkdir(parents=True)
    store = make_store(file)
    with store.write() as transaction:
        instance.create(transaction, Instance("abc", Lock(b"salt", 2, 1, 1, b"proof")))
    return store


def make_site(store: Store, hub: FakeHub, transcripts: Path = Path("nowhere")) -> Site:
    """A site over these."""
    return Site(Context(store, hub, "vpn.example.net", 51820), RateLimits(), PublishedRuns(transcripts))
