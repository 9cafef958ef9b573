"""How a browser gets a session, and loses it."""

from __future__ import annotations

import bottle

from appliance.service import sessions
from appliance.service.sessions import Session
from appliance.web import request
from appliance.web.pages import forms, routes
from appliance.web.pages.outcomes import Reply
from appliance.web.pages.routes import Visit


def enter(visit: Visit, session: Session, path: str, notice: str = "") -> Reply:
    """Leads to a page with this session, which takes the place of the one that the browser had, if any."""
    if visit.who is not None:
        sessions.log_out(visit.workplace, visit.who.token)
    answer = visit.done(path, notice)
    give(visit, answer, session)
    routes.forget_cookie(answer, forms.FORM_COOKIE)
    return answer


def give(visit: Visit, answer: bottle.HTTPResponse, session: Session) -> None:
    """Has the browser keep this session with the answer."""
    left = session.expires_at - visit.workplace.clock()
    routes.set_cookie(answer, request.COOKIE, session.token, seconds=int(left.total_seconds()))


def leave(visit: Visit, path: str, notice: str = "") -> Reply:
    """Ends the session, and leads to a page that needs none."""
    sessions.log_out(visit.workplace, visit.signed_in.token)
    answer = visit.done(path, notice)
    routes.forget_cookie(answer, request.COOKIE)
    return answer
