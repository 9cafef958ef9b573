"""How a browser gets a session, and loses it."""

from __future__ import annotations

from typing import TypeVar

from appliance.service import sessions
from appliance.service.sessions import Session
from appliance.web.pages import forms
from appliance.web.pages.outcomes import Reply
from appliance.web.pages.routes import Visit
from appliance.web.request import COOKIE
from appliance.web.response import Response

_Answer = TypeVar("_Answer", bound=Response)


def enter(visit: Visit, session: Session, path: str, notice: str = "") -> Reply:
    """Leads to a page with this session, which takes the place of the one that the browser had, if any."""
    if visit.who is not None:
        sessions.log_out(visit.context, visit.who.token)
    return give(visit, visit.done(path, notice), session).without_cookie(forms.FORM_COOKIE)


def give(visit: Visit, answer: _Answer, session: Session) -> _Answer:
    """This answer, which has the browser keep a session."""
    left = session.expires_at - visit.context.clock()
    return answer.with_cookie(COOKIE, session.token, seconds=int(left.total_seconds()))


def leave(visit: Visit, path: str, notice: str = "") -> Reply:
    """Ends the session, and leads to a page that needs none."""
    sessions.log_out(visit.context, visit.signed_in.token)
    return visit.done(path, notice).without_cookie(COOKIE)
