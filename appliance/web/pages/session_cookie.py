"""Session cookie: set at a log-in, dropped at a log-out."""

from __future__ import annotations

from typing import TypeVar

from appliance.service import sessions
from appliance.service.sessions import Session
from appliance.web.pages.outcomes import Reply
from appliance.web.pages.routes import Visit
from appliance.web.request import COOKIE
from appliance.web.response import Response

_Answer = TypeVar("_Answer", bound=Response)


def enter(visit: Visit, session: Session, path: str, notice: str = "") -> Reply:
    """Redirect to a page with a new session; the browser's former session is ended."""
    if visit.who is not None:
        sessions.log_out(visit.context, visit.who.token)
    # The cookie of forms stays: a log-in page in another tab may hold a draft.
    return give(visit, visit.done(path, notice), session)


def give(visit: Visit, answer: _Answer, session: Session) -> _Answer:
    """Add the session's cookie to an answer."""
    left = session.expires_at - visit.context.clock()
    return answer.with_cookie(COOKIE, session.token, seconds=int(left.total_seconds()))


def leave(visit: Visit, path: str, notice: str = "") -> Reply:
    """End the session, and redirect to a public page."""
    sessions.log_out(visit.context, visit.signed_in.token)
    return visit.done(path, notice).without_cookie(COOKIE)
