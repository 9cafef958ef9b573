"""A person's sessions."""

from __future__ import annotations

import msgspec

from appliance.model.access import SELF
from appliance.service import sessions
from appliance.service.sessions import OpenSession
from appliance.store.times import rfc3339
from appliance.web.api import paging
from appliance.web.api.routes import Asked, Call


class SessionShown(msgspec.Struct, frozen=True):
    id: str
    address: str
    user_agent: str
    created_at: str
    last_seen_at: str
    expires_at: str
    current: bool

    @classmethod
    def of(cls, session: OpenSession) -> SessionShown:
        return cls(
            session.id,
            session.device.address,
            session.device.agent,
            rfc3339(session.created_at),
            rfc3339(session.last_seen_at),
            rfc3339(session.expires_at),
            session.is_current,
        )


class SessionList(msgspec.Struct, frozen=True):
    sessions: list[SessionShown]
    next: str | None


class SessionsEnded(msgspec.Struct, frozen=True):
    ended: int


def _list_sessions(asked: Asked) -> SessionList:
    found = sessions.all_of(asked.site.context, asked.actor, asked.token)
    page, following = paging.page_of(asked, found, lambda each: each.id)
    return SessionList([SessionShown.of(each) for each in page], following)


def _end_session(asked: Asked) -> None:
    sessions.end(asked.site.context, asked.actor, asked.parameters["id"])


def _end_other_sessions(asked: Asked) -> SessionsEnded:
    return SessionsEnded(sessions.end_others(asked.site.context, asked.actor, asked.token))


def _log_out(asked: Asked) -> None:
    sessions.log_out(asked.site.context, asked.token)


CALLS = (
    Call(
        "GET",
        "/sessions",
        "Your sessions, the one last used first",
        _list_sessions,
        answer=SessionList,
        query=paging.QUERY,
        access=SELF,
    ),
    Call(
        "DELETE",
        "/sessions",
        "End every session of yours but this one",
        _end_other_sessions,
        answer=SessionsEnded,
        access=SELF,
    ),
    Call("DELETE", "/sessions/current", "Log out", _log_out, status=204, access=SELF),
    Call("DELETE", "/sessions/{id}", "End a session of yours", _end_session, status=204, access=SELF),
)
