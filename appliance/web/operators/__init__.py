"""Pages for operators under ``/operator``, apart from those of members: own accounts, cookie, sessions and limits.

They answer as if there were nothing while there is no operator.
"""

from __future__ import annotations

from appliance.web.handler import Handler
from appliance.web.operators import dispatch, hub, joining, organizations, records, runs, signing_in
from appliance.web.operators.visits import ServiceFacts
from appliance.web.pages.view import View
from appliance.web.site import Site

__all__ = ["PAGES", "ServiceFacts", "handlers"]

PAGES = signing_in.PAGES + joining.PAGES + organizations.PAGES + hub.PAGES + runs.PAGES + records.PAGES


def handlers(site: Site, view: View, facts: ServiceFacts) -> list[Handler]:
    """Make the handlers of the pages."""
    return dispatch.handlers(site, view, facts, PAGES)
