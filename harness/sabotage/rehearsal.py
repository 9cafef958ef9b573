"""Rehearsal of a service's start, which is held once before services are forked.

The first application of a process takes five times as long as another one. Its templates are read, and libraries keep
the patterns of its paths and the decoders of its messages; the forks find all that done.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from appliance.hub.rpc.client import HubClient
from appliance.service import Context
from appliance.service.transcripts import PublishedRuns
from appliance.store import Store
from appliance.web.app import make_app
from appliance.web.limits import RateLimits
from appliance.web.site import Site

_NOWHERE = Path("/nonexistent")


def rehearse() -> None:
    """Makes an application that nobody asks anything."""
    hub = HubClient(_NOWHERE)
    with closing(Store(f"sqlite:///{_NOWHERE}")) as store:
        make_app(Site(Context(store, hub, "", 0), RateLimits(), PublishedRuns(_NOWHERE)), hub.status)
