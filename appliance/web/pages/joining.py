"""Page of an invitation's link."""

from __future__ import annotations

from appliance.model.access import PUBLIC
from appliance.model.errors import NotFound, Refused
from appliance.service import invitations, passwords
from appliance.web import login_guard
from appliance.web.pages import public_forms, session_cookie
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.pages.routes import HOME, Page, Visit
from appliance.web.response import Response


def _join(visit: Visit) -> Response:
    try:
        session = login_guard.accept_invitation(
            visit.site, visit.request, visit.parameters["token"], visit.form.text("password")
        )
    except NotFound:
        raise
    except Refused as refusal:
        return _page(visit, refusal)
    return reply(session_cookie.enter(visit, session, HOME), Outcome(HOME, "joined"))


def _page(visit: Visit, refusal: Refused | None = None) -> Response:
    token = visit.parameters["token"]
    return public_forms.page(
        visit,
        "join.html",
        refusal=refusal,
        offer=invitations.offer(visit.context, token),
        token=token,
        shortest_password=passwords.SHORTEST,
    )


PAGES = (
    Page("GET", "/join/<token>", _page, access=PUBLIC),
    Page("POST", "/join/<token>", _join, access=PUBLIC),
)
