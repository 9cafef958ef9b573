"""The HTTP API under ``/api/v1``: a table of routes, from which handlers and the OpenAPI document are made.

Each module has a subject: what its calls take and give, their handlers, and their ``ROUTES``.
"""

from __future__ import annotations

from appliance.web.api import (
    account,
    accounts,
    factor_removals,
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
from appliance.web.api.routes import Section
from appliance.web.handler import Handler
from appliance.web.site import Site

__all__ = ["ROUTES", "SECTIONS", "handlers"]

SECTIONS = (
    Section("Signing in", "How somebody gets a session, and a way in again.", accounts.ROUTES + links.ROUTES),
    Section("Sessions", "Where you are signed in.", sessions.ROUTES),
    Section("Your account", "Your password, second factor and passkeys.", account.ROUTES + second_factor.ROUTES),
    Section("Passkeys", "Keys of your devices, which sign you in without a password.", passkeys.ROUTES),
    Section("The organization", "Its name, plan and end.", organization.ROUTES),
    Section("People", "Who belongs to the organization, and who is invited.", members.ROUTES + factor_removals.ROUTES),
    Section("API tokens", "What programs sign in with.", tokens.ROUTES),
    Section("Machines", "What is in the network, each with its configuration.", machines.ROUTES),
    Section("Policy", "Who may connect to whom.", policy.ROUTES),
    Section("Records", "What happened, and what it costs.", records.ROUTES),
)
ROUTES = tuple(route for section in SECTIONS for route in section.routes)


def handlers(site: Site) -> tuple[Handler, ...]:
    """Paths of every call of the API, and of the document that describes them."""
    return *(routes.handler(route, site) for route in ROUTES), openapi.handler(SECTIONS)
