"""Contact for reports of weaknesses, and advisories: a page for people, and security.txt (RFC 9116) for programs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from appliance.model.access import PUBLIC
from appliance.model.errors import NotFound
from appliance.web.pages.routes import Page, Visit
from appliance.web.response import Response

PATH = "/.well-known/security.txt"
VALID_FOR = timedelta(days=90)
"""The contact may change with any restart, so nobody should rely on it for longer. RFC 9116 asks for a year at most."""


def _show(visit: Visit) -> Response:
    contact = visit.site.security.contact
    return visit.page(
        "security.html",
        contact=contact,
        address=None if contact is None else contact.removeprefix("mailto:"),
        advisories=visit.site.security.advisories,
        file=PATH,
    )


def _tell_programs(visit: Visit) -> Response:
    contact, site = visit.site.security.contact, visit.context.site
    if contact is None:
        raise NotFound("The operator of this service has named no contact for reports of weaknesses.")
    lines = {
        "Contact": contact,
        "Expires": _at_midnight(visit.context.clock() + VALID_FOR),
        "Canonical": f"{site}{PATH}",
        "Policy": f"{site}/security",
        "Preferred-Languages": "en",
    }
    body = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return Response(body.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})


def _at_midnight(at: datetime) -> str:
    """Format the start of a day, so that the file is the same all day long."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT00:00:00Z")


PAGES = (
    Page("GET", "/security", _show, access=PUBLIC),
    Page("GET", PATH, _tell_programs, access=PUBLIC),
)
