"""The HTTP API under ``/api/v1``: a table of routes, from which handlers and the OpenAPI document are made.

Each module has one subject: schemas of its bodies and answers, handlers, and ``ROUTES``.
"""

from __future__ import annotations

from appliance.web.api import (
    account,
    accounts,
    expectations,
    factor_removals,
    links,
    machines,
    members,
    openapi,
    organization,
    passkeys,
    policy,
    policy_history,
    policy_preview,
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
    Section("Signing in", "Sign-up, log-in and password reset.", accounts.ROUTES + links.ROUTES),
    Section("Sessions", "Your log-ins on all devices.", sessions.ROUTES),
    Section("Your account", "Your password, second factor and passkeys.", account.ROUTES + second_factor.ROUTES),
    Section("Passkeys", "Keys of your devices, which sign you in without a password.", passkeys.ROUTES),
    Section("The organization", "Its name, plan and end.", organization.ROUTES),
    Section("People", "Members of the organization, and invitations.", members.ROUTES + factor_removals.ROUTES),
    Section("API tokens", "Credentials for programs.", tokens.ROUTES),
    Section("Machines", "Machines in the network, and their configurations.", machines.ROUTES),
    Section(
        "Policy",
        "Rules about connections between machines.",
        policy.ROUTES + policy_preview.ROUTES + policy_history.ROUTES + expectations.ROUTES,
    ),
    Section("Records", "Audit trail and usage.", records.ROUTES),
)
ROUTES = tuple(route for section in SECTIONS for route in section.routes)


def handlers(site: Site) -> tuple[Handler, ...]:
    """Make the handlers of every call of the API, and of the OpenAPI document."""
    return *(routes.handler(route, site) for route in ROUTES), openapi.handler(SECTIONS)
