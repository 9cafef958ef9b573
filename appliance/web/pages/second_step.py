"""The second step of a log-in: a code of the second factor."""

from __future__ import annotations

from urllib.parse import quote

from appliance.model.access import PUBLIC
from appliance.model.errors import Refused
from appliance.service import tickets
from appliance.service.log_in import CodePending
from appliance.store.tickets import TicketKind
from appliance.web import login_guard
from appliance.web.pages import public_forms, routes, signing_in
from appliance.web.pages.routes import HOME, Page, Visit
from appliance.web.pages.signing_in import DRAFT_FIELD
from appliance.web.response import Response

PATH = "/login/code"
_COOKIE = "__Host-meshwg-half-way"


def lead_to(visit: Visit, pending: CodePending, following: str) -> Response:
    """Go on from the password to the code; the browser keeps the ticket in a cookie that scripts can't read."""
    if visit.form.text(DRAFT_FIELD):
        answer = _page(visit, following)
    else:
        answer = routes.see_other(f"{PATH}?next={quote(following, safe='/')}")
    seconds = int(tickets.LIFETIMES[TicketKind.LOG_IN].total_seconds())
    return answer.with_cookie(_COOKIE, pending.ticket, seconds=seconds)


def _show(visit: Visit) -> Response:
    return _page(visit, visit.query.text("next", HOME))


def _finish(visit: Visit) -> Response:
    following = routes.following(visit.form)
    again = signing_in.repeated(visit)
    if again is not None:
        return again
    ticket = visit.request.cookies.get(_COOKIE, "")
    try:
        session = login_guard.complete_log_in(visit.site, visit.request, ticket, visit.form.text("code"))
    except Refused as refusal:
        return _page(visit, following, refusal)
    return signing_in.enter(visit, session, following).without_cookie(_COOKIE)


def _page(visit: Visit, following: str, refusal: Refused | None = None) -> Response:
    draft = visit.form.text(DRAFT_FIELD)
    return public_forms.page(visit, "login_code.html", following=following, draft=draft, refusal=refusal)


PAGES = (
    Page("GET", PATH, _show, access=PUBLIC),
    Page("POST", PATH, _finish, access=PUBLIC),
)
