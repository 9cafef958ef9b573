"""Rows of the table of operators' pages, and requests as these pages get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from appliance.hub.rpc.messages import HubStatus
from appliance.model.errors import Refused
from appliance.service import Context
from appliance.service.operator_sessions import SignedOperator
from appliance.service.sessions import Session
from appliance.store.operators import Operator
from appliance.web import conditions
from appliance.web.pages import forms, routes
from appliance.web.pages.forms import Form
from appliance.web.pages.outcomes import Reply
from appliance.web.pages.view import PagePart, View, with_retry_after
from appliance.web.refusals import status_of, title_of
from appliance.web.request import OPERATOR_COOKIE, OPERATOR_PATH, Request
from appliance.web.response import Response
from appliance.web.site import Site

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


@dataclass(frozen=True)
class OperatorAtWork:
    """An operator with a session."""

    session: SignedOperator

    @property
    def operator(self) -> Operator:
        """Account of the operator."""
        return self.session.operator

    @property
    def csrf(self) -> str:
        """CSRF token of this session's forms."""
        return forms.csrf(self.session.token, self.operator.id)


@dataclass(frozen=True)
class OperatorVisit:
    """A request as its page gets it: authenticated, with a genuine form, and within the limits.

    Attributes:
        who: the operator; None without a session.
    """

    site: Site
    facts: ServiceFacts
    request: Request
    view: View
    who: OperatorAtWork | None
    form: Form

    @property
    def context(self) -> Context:
        """Store, hub and settings of the use cases."""
        return self.site.context

    @property
    def parameters(self) -> Mapping[str, str]:
        """Values of the variable parts of the path."""
        return self.request.parameters

    @property
    def query(self) -> Form:
        """Query of the URL."""
        return Form(forms.parse(self.request.query_string.encode("utf-8")))

    @property
    def signed_in(self) -> SignedOperator:
        """The operator; raises LookupError if the page needs no session."""
        if self.who is None:
            raise LookupError("this page needs no session, so there is no operator")
        return self.who.session

    def page(self, template: str, *, refusal: Refused | None = None, **data: Any) -> Response:
        """Render a page."""
        return self.view.page(self.request, template, refusal=refusal, who=self.who, **data)

    def part(self, template: str, **data: Any) -> PagePart:
        """Render a part of a page, to be put into the page or to be sent alone."""
        return self.view.part(template, who=self.who, **data)

    def polled(self, part: PagePart) -> Response:
        """Answer a page that asks for a part of itself; without a body if it has this version already."""
        return part.unchanged if conditions.has_it_already(self.request, part.etag) else part.answer()

    def part_about(self, refusal: Refused) -> Response:
        """Render a refusal as a part of a page."""
        answer = self.part("part_refused.html", refusal=refusal, page=None)
        return with_retry_after(answer.answer(status_of(type(refusal))), refusal)

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
