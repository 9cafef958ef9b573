"""Pages for people: plain forms. Scripts only add: passkeys, and pages that keep themselves up to date.

Each module has one subject and lists its pages in ``PAGES``. `dispatch` makes handlers of them, with authentication,
CSRF protection, limits, idempotent forms and error pages for all.
"""

from __future__ import annotations

from appliance.web.handler import Handler
from appliance.web.pages import (
    account,
    accounts,
    api_docs,
    assets,
    decided_packets,
    demo,
    dispatch,
    front,
    joining,
    language,
    links,
    machine_connection,
    machine_list,
    machines,
    matrix,
    network_map,
    organization,
    passkeys,
    people,
    plans,
    policy,
    policy_expectations,
    policy_history,
    policy_rule,
    records,
    second_factor,
    second_step,
    security,
    tokens,
    transcripts,
)
from appliance.web.pages.view import NOTHING, View, loaded
from appliance.web.site import Site

__all__ = ["NOTHING", "View", "handlers", "loaded"]

PAGES = (
    front.PAGES
    + security.PAGES
    + accounts.PAGES
    + second_step.PAGES
    + account.PAGES
    + second_factor.PAGES
    + passkeys.PAGES
    + links.PAGES
    + machine_list.PAGES
    + machines.PAGES
    + machine_connection.PAGES
    + policy.PAGES
    + decided_packets.PAGES
    + policy_rule.PAGES
    + policy_history.PAGES
    + policy_expectations.PAGES
    + matrix.PAGES
    + network_map.PAGES
    + records.PAGES
    + organization.PAGES
    + plans.PAGES
    + people.PAGES
    + joining.PAGES
    + language.PAGES
    + tokens.PAGES
    + transcripts.PAGES
    + demo.PAGES
    + api_docs.PAGES
)


def handlers(site: Site, view: View) -> tuple[Handler, ...]:
    """Make the handlers of the pages and of their static files."""
    return assets.handler(view.assets, view.nothing), *dispatch.handlers(site, view, PAGES)
