"""Log-in of operators, with password and code in one form, and log-out."""

from __future__ import annotations

from appliance.model.errors import Refused
from appliance.service import operator_sessions
from appliance.web import login_guard
from appliance.web.operators.dispatch import LOG_IN
from appliance.web.operators.visits import COOKIE, HOME, OperatorPage, OperatorVisit
from appliance.web.pages import public_forms
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.response import Response


def _show(visit: OperatorVisit, refusal: Refused | None = None) -> Response:
    return public_forms.page(
        visit, "operator_login.html", refusal=refusal, ended=visit.who is None and COOKIE in visit.request.cookies
    )


def _log_in(visit: OperatorVisit) -> Response:
    form = visit.form
    try:
        session = login_guard.log_in_operator(
            visit.site, visit.request, form.text("email"), form.text("password"), form.text("code")
        )
    except Refused as refusal:
        return _show(visit, refusal)
    if visit.who is not None:
        operator_sessions.log_out(visit.context, visit.signed_in.token)
    return reply(visit.give(visit.done(HOME), session), Outcome(HOME))


def _log_out(visit: OperatorVisit) -> Response:
    operator_sessions.log_out(visit.context, visit.signed_in.token)
    return reply(visit.done(LOG_IN).without_cookie(COOKIE, path=HOME), Outcome(LOG_IN))


PAGES = (
    OperatorPage("GET", LOG_IN, _show, is_public=True),
    OperatorPage("POST", LOG_IN, _log_in, is_public=True),
    OperatorPage("POST", f"{HOME}/logout", _log_out, is_limited=False),
)
