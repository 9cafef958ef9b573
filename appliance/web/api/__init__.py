"""The HTTP API under ``/api/v1``: a table of calls, from which the routes and the OpenAPI document are made.

Each module has a subject: what its calls take and give, their handlers, and the calls themselves in ``CALLS``.
"""

from __future__ import annotations

import bottle

from appliance.web.api import (
    account,
    accounts,
    links,
    machines,
    members,
    openapi,
    organization,
    passkeys,
    policy,
    records,
    routes,
    second_factor,
    sessions,
    tokens,
)
from appliance.web.request import Site

__all__ = ["CALLS", "install"]

CALLS = (
    accounts.CALLS
    + sessions.CALLS
    + account.CALLS
    + second_factor.CALLS
    + passkeys.CALLS
    + links.CALLS
    + organization.CALLS
    + members.CALLS
    + tokens.CALLS
    + machines.CALLS
    + policy.CALLS
    + records.CALLS
)


def install(app: bottle.Bottle, site: Site) -> None:
    """Adds every call of the API to the application, and the document that describes them."""
    routes.install(app, site, CALLS)
    openapi.install(app, CALLS)
