"""Rehearsal of a service's work, which is held once before services are forked.

The first request of each kind takes a process many times as long as the next one. Its templates are read, SQLAlchemy
compiles its statements, and libraries keep the patterns of its paths and the decoders of its messages; the forks find
all that done.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine

from appliance.hub.rpc.client import HubClient
from appliance.model.desired import Desired, PeerStatus, RuleCount
from appliance.service import Context, setbacks
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store, engines, machines, migration, organizations
from appliance.vault import SealedKeys, Vault
from appliance.web import cleanup
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.site import Site
from harness.client.api import Api
from harness.sabotage.forks import LITTLE_WORK
from harness.sabotage.parts import replace_part

_NOWHERE = Path("/nonexistent")
_PAGES = ("/", "/login", "/signup", "/machines", "/policy", "/settings")


class NoDataPlane(HubClient):
    """Hub that makes keys and agrees to every change."""

    def __init__(self) -> None:
        super().__init__(_NOWHERE)
        self._vault, _ = Vault.make("rehearsal", LITTLE_WORK)

    def create_keys(self, organization: str) -> SealedKeys:
        return self._vault.new_organization_keys(organization)

    def free_ports(self, candidates: Sequence[int], most: int) -> Sequence[int]:
        return candidates[:most]

    def apply(
        self, organization: str, desired: Desired | None, *, base: int, revision: int, before: Desired | None = None
    ) -> None:
        pass

    def confirm(self, organization: str, revision: int) -> None:
        pass

    def remove(self, organization: str) -> None:
        pass

    def peers(self, organization: str) -> Sequence[PeerStatus]:
        del organization
        return []

    def counters(self, organization: str) -> Sequence[RuleCount]:
        del organization
        return []


def rehearse() -> None:
    """Has an application without a data plane serve one customer."""
    with (
        tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
        contextlib.redirect_stdout(io.StringIO()),
        _opened(f"sqlite:///{folder}/store.sqlite") as store,
    ):
        hub = NoDataPlane()
        context = Context(store, hub, "")
        app = make_app(Site(context, RateLimits(), PublishedRuns(_NOWHERE)), hub.status)
        with closing(Api("https://localhost:8443", transport=httpx.WSGITransport(app))) as api:
            _serve(api, store)
        # What each web process does at its start.
        setbacks.settle(context)
        cleanup.clean_up(context, context.clock())


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    """Opens a new SQLite store, and has those of all forks use what SQLAlchemy compiles for it."""
    compiled: dict[Any, Any] = {}
    make = engines.sqlite
    first = make(url)
    # The dialect, which is a part of each key, learns from its first connection what the database can do.
    with first.connect():
        pass
    first.dispose()

    def sharing(url: str) -> Engine:
        made = make(url)
        made.dialect = first.dialect
        made.update_execution_options(compiled_cache=compiled)
        return made

    replace_part(engines, "sqlite", sharing)
    with closing(Store(url)) as store:
        migration.upgrade(store)
        yield store


def _serve(api: Api, store: Store) -> None:
    """Calls what most scenarios call, and what the hub asks the store then."""
    signed_up = api.sign_up("owner@example.net", "correct horse battery", "rehearsal").body["organization"]
    api.call("PATCH", "/organization", {"plan": "paid"})
    first, second = (
        api.call("POST", "/machines", {"name": name, "groups": ["red"]}).body["machine"]["id"] for name in ("a", "b")
    )
    rule: Mapping[str, str] = {"action": "deny", "source": f"machine:{first}", "destination": f"machine:{second}"}
    for default, rules in (("allow", [rule]), ("deny", [rule, {**rule, "action": "allow"}]), ("allow", [])):
        api.call("PUT", "/policy", {"default": default, "rules": rules})
    for path in ("/organization", "/machines", f"/machines/{first}", "/policy"):
        api.call("GET", path)
    for path in _PAGES:
        api.page(path)
    with store.read() as transaction:
        organizations.revisions(transaction, None)
        organizations.names(transaction, None)
        organizations.count_enforced(transaction, None)
        organizations.revision(transaction, signed_up["id"], None)
        organizations.desired(transaction, signed_up["id"])
        organizations.sealed_data_key(transaction, signed_up["id"])
        machines.endpoints(transaction, signed_up["id"])
    api.call("DELETE", f"/machines/{first}")
    api.call("DELETE", "/organization", {"confirm": signed_up["name"]})
