"""The caller's sessions."""

from __future__ import annotations

import msgspec

from appliance.model.access import SELF
from appliance.service import sessions
from appliance.service.sessions import OpenSession
from appliance.store.times import rfc3339
from appliance.web.api import paging
from appliance.web.api.routes import ApiCall, Route


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


def _list_sessions(call: ApiCall) -> SessionList:
    found = sessions.all_of(call.context, call.actor, call.token)
    return SessionList(*paging.page_of(call, found, lambda each: each.id, SessionShown.of))


def _end_session(call: ApiCall) -> None:
    sessions.end(call.context, call.actor, call.parameters["id"])


def _end_other_sessions(call: ApiCall) -> SessionsEnded:
    return SessionsEnded(sessions.end_others(call.context, call.actor, call.token))


def _log_out(call: ApiCall) -> None:
    sessions.log_out(call.context, call.token)


ROUTES = (
    Route(
        "GET",
        "/sessions",
        "Your sessions, last used first",
        _list_sessions,
        answer=SessionList,
        query=paging.QUERY,
        access=SELF,
    ),
    Route(
        "DELETE",
        "/sessions",
        "End every session of yours but this one",
        _end_other_sessions,
        answer=SessionsEnded,
        access=SELF,
    ),
    Route("DELETE", "/sessions/current", "Log out", _log_out, status=204, access=SELF),
    Route("DELETE", "/sessions/{id}", "End a session of yours", _end_session, status=204, access=SELF),
)
