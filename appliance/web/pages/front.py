"""Front page: what the product is, how it is verified, and what it costs."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from appliance.model import usage
from appliance.model.access import PUBLIC
from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.configuration import Configuration
from appliance.model.errors import Invalid, Refused
from appliance.service.machine_bounds import MOST_MACHINES
from appliance.web.pages import transcripts
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

_WHOLE = re.compile(r"[0-9]{1,12}", re.ASCII)
_EXAMPLE = Configuration(
    machine="branch-mumbai",
    organization="acme-networks",
    private_key="<base64, shown once>",
    address=IPv4Address("10.100.0.2"),
    network=DEFAULT_NETWORK,
    hub_public_key="<the organization\N{RIGHT SINGLE QUOTATION MARK}s hub public key>",
    endpoint="vpn.example.net:51820",
).text()


def _front(visit: Visit) -> Response:
    machines: int | None = None
    refusal: Refused | None = None
    try:
        machines = _machines(visit)
    except Invalid as invalid:
        refusal = invalid
    runs = transcripts.shown(visit)
    return visit.page(
        "landing.html",
        refusal=refusal,
        configuration=_EXAMPLE,
        claims=transcripts.judged(runs),
        newest=runs[0] if runs else None,
        shows_demo=visit.site.demo.runs,
        typed=visit.query.text("machines"),
        machines=machines,
        monthly=None if machines is None else usage.monthly(machines) // 100,
    )


def _machines(visit: Visit) -> int | None:
    """Read the number of machines to calculate the price of; None if nobody asked.

    Raises:
        Invalid: no organization has so many machines.
    """
    typed = visit.query.optional("machines")
    if typed is None:
        return None
    machines = int(typed) if _WHOLE.fullmatch(typed) else 0
    if not 1 <= machines <= MOST_MACHINES:
        raise Invalid("An organization has 1 to {most:,} machines.", field="machines", most=MOST_MACHINES)
    return machines


PAGES = (Page("GET", "/", _front, access=PUBLIC),)
