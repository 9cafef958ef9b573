"""The HTTP API under ``/api/v1``: a table of calls, from which the routes and the OpenAPI document are made.

Each module has a subject: what its calls take and give, their handlers, and the calls themselves in ``CALLS``.
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
from appliance.web.endpoint import Endpoint
from appliance.web.site import Site

__all__ = ["CALLS", "SECTIONS", "endpoints"]

SECTIONS = (
    Section("Signing in", "How somebody gets a session, and a way in again.", accounts.CALLS + links.CALLS),
    Section("Sessions", "Where you are signed in.", sessions.CALLS),
    Section("Your account", "Your password, second factor and passkeys.", account.CALLS + second_factor.CALLS),
    Section("Passkeys", "Keys of your devices, which sign you in without a password.", passkeys.CALLS),
    Section("The organization", "Its name, plan and end.", organization.CALLS),
    Section("People", "Who belongs to the organization, and who is invited.", members.CALLS + factor_removals.CALLS),
    Section("API tokens", "What programs sign in with.", tokens.CALLS),
    Section("Machines", "What is in the network, each with its configuration.", machines.CALLS),
    Section("Policy", "Who may connect to whom.", policy.CALLS),
    Section("Records", "What happened, and what it costs.", records.CALLS),
)
CALLS = tuple(call for section in SECTIONS for call in section.calls)


def endpoints(site: Site) -> tuple[Endpoint, ...]:
    """Paths of every call of the API, and of the document that describes them."""
    return *(routes.endpoint(call, site) for call in CALLS), openapi.endpoint(SECTIONS)
