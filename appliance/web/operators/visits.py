"""Rows of the table of operators' pages, and requests as these pages get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from appliance.hub.rpc.messages import HubStatus
from appliance.model.errors import Refused
from appliance.service import Context, operator_sessions
from appliance.service.operator_sessions import SignedOperator
from appliance.service.sessions import Session
from appliance.web.pages import forms, routes
from appliance.web.pages.outcomes import Reply
from appliance.web.pages.visits import AnyVisit
from appliance.web.refusals import title_of
from appliance.web.request import OPERATOR_COOKIE, OPERATOR_PATH
from appliance.web.response import Response

HOME, COOKIE = OPERATOR_PATH, OPERATOR_COOKIE


@dataclass(frozen=True)
class ServiceFacts:
    """Facts about the service that are not in the store.

    Attributes:
        status: asks the hub.
        version: of this program.
        certificate_ends: when the served certificate ends; None if a proxy serves another one.
        turned_away: requests beyond a share of the process, by reason.
    """

    status: Callable[[], HubStatus]
    version: str
    certificate_ends: datetime | None = None
    turned_away: Mapping[str, int] = field(default_factory=dict)


class OperatorAtWork(SignedOperator):
    """An operator with a session, as pages show them."""

    @property
    def csrf(self) -> str:
        """CSRF token of this session's forms."""
        return forms.csrf(self.token, self.operator.id)

    @classmethod
    def find(cls, context: Context, token: str, *, is_use: bool = True) -> OperatorAtWork:
        """Find the operator of a session (`operator_sessions.holder`)."""
        return cls(operator_sessions.holder(context, token, is_use=is_use).operator, token)


@dataclass(frozen=True)
class OperatorVisit(AnyVisit[OperatorAtWork]):
    """A request for a page of operators."""

    facts: ServiceFacts

    def page(self, template: str, *, refusal: Refused | None = None, **data: Any) -> Response:
        """Render a page."""
        return self.view.page(self.request, template, refusal=refusal, who=self.who, **data)

    def problem(self, refusal: Refused) -> Response:
        """Render a refusal that no form can show."""
        return self.page("operator_problem.html", refusal=refusal, title=title_of(type(refusal)))

    def done(self, path: str, notice: str = "") -> Reply:
        """Redirect to a page after a change; ``notice`` is the key of a notice."""
        return routes.done(path, notice)

    def give(self, answer: Response, session: Session) -> Response:
        """Add a new session's cookie to an answer."""
        left = session.expires_at - self.context.clock()
        return answer.with_cookie(COOKIE, session.token, seconds=int(left.total_seconds()), path=HOME)


@dataclass(frozen=True)
class OperatorPage:
    """Row of the table: method and path of a page or form, with its handler.

    Attributes:
        is_public: True if it needs no session.
        is_limited: False for a form that must work at any time.
        is_polled: True for a part of a page that the page asks for again and again. It does not keep the session alive,
            has a limit of its own, and is answered with a part of a page in any case.
        again: renders the page with the form and a refusal.
    """

    method: str
    path: str
    handler: Callable[[OperatorVisit], Response]
    is_public: bool = field(default=False, kw_only=True)
    is_limited: bool = field(default=True, kw_only=True)
    is_polled: bool = field(default=False, kw_only=True)
    again: Callable[[OperatorVisit, Refused], Response] | None = field(default=None, kw_only=True)
