"""Page with the list of machines: searched, sorted, and kept up to date, with the form that adds one."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from appliance.model.access import LOOK
from appliance.model.addresses import home_network_warning
from appliance.model.errors import Invalid, Refused
from appliance.model.sentences import sentence
from appliance.service import factor_removals, machine_search
from appliance.service.machine_search import EVERYTHING, LONGEST_QUERY, Order, Search
from appliance.service.observed import MachineState, ObservedMachine
from appliance.web.pages.routes import LIVE, Page, Visit
from appliance.web.pages.view import PagePart
from appliance.web.response import Response

_PAGE_LENGTH = 50
_MANY = 10
"""Number of machines beyond which the form that searches is unfolded."""

_ORDERS = {
    Order.ADDRESS: sentence("address"),
    Order.NAME: sentence("name"),
    Order.STATE: sentence("state"),
    Order.HANDSHAKE: sentence("last handshake"),
    Order.RECEIVED: sentence("received"),
    Order.SENT: sentence("sent"),
}


def table(visit: Visit, refusal: Refused | None = None) -> Response:
    """Render the list of machines, with the form that adds one."""
    count, groups = machine_search.overview(visit.context, visit.actor)
    search, after, wrong = EVERYTHING, visit.query.optional("after"), None
    seen: Sequence[ObservedMachine] = ()
    following = None
    try:
        search = _search(visit)
        seen, following = machine_search.page(visit.context, visit.actor, search, after=after, limit=_PAGE_LENGTH)
    except Invalid as unusable:
        wrong = unusable
    organization = visit.signed_in.organization
    limit = organization.plan.machine_limit
    return visit.page(
        "machines.html",
        refusal=refusal or wrong,
        wrong_search=wrong,
        count=count,
        many=count > _MANY,
        groups=groups,
        states=list(MachineState),
        orders=list(_ORDERS.items()),
        order_name=_ORDERS[search.order],
        longest_query=LONGEST_QUERY,
        search=search,
        seen=seen,
        rows=_rows(visit, seen),
        after=after,
        following=following,
        place=_place(search, after),
        first_place=_place(search, None),
        next_place=_place(search, following),
        network_warning=home_network_warning(organization.network),
        plan_is_full=limit is not None and count >= limit,
        removals=factor_removals.waiting(visit.context, visit.actor) if visit.signed_in.owns else [],
        typed=visit.form,
    )


def _poll(visit: Visit) -> Response:
    after = visit.query.optional("after")
    seen, _ = machine_search.page(visit.context, visit.actor, _search(visit), after=after, limit=_PAGE_LENGTH)
    return visit.polled(_rows(visit, seen))


def _search(visit: Visit) -> Search:
    return Search.parse(*(visit.query.text(name) for name in ("query", "group", "state", "order")))


def _rows(visit: Visit, seen: Sequence[ObservedMachine]) -> PagePart:
    return visit.part("machine_rows.html", seen=seen, now=visit.context.clock())


def _place(search: Search, after: str | None) -> str:
    """Make the query string of a page of the list, with its question mark; empty for the first page of all machines."""
    fields = {
        "query": search.query,
        "group": search.group,
        "state": search.state.value if search.state else "",
        "order": "" if search.order is Order.ADDRESS else search.order.value,
        "after": after or "",
    }
    query = urlencode({name: text for name, text in fields.items() if text})
    return f"?{query}" if query else ""


PAGES = (
    Page("GET", "/machines", table, access=LOOK),
    Page("GET", f"/machines{LIVE}", _poll, access=LOOK, polled=True),
)
