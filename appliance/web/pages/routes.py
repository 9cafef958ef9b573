"""Table of pages: rows, visits and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bottle

from appliance.model.access import Access
from appliance.model.errors import Refused, Unauthenticated
from appliance.model.organization import Organization, Role
from appliance.service import Actor
from appliance.web.pages import forms, notices, undo
from appliance.web.pages.forms import Form
from appliance.web.pages.outcomes import Outcome, Reply, reply
from appliance.web.pages.undo import Undo
from appliance.web.pages.visits import AnyVisit
from appliance.web.response import Response
from appliance.web.router import Router

HOME = "/machines"
LIVE = "/live"
"""End of the path of a page's part that the page asks for by itself."""
# A path of this site, which no browser can take for another site's: no //host, no backslash, no scheme.
_LOCAL = re.compile(r"/(?:[A-Za-z0-9_.~?&=%*+-][A-Za-z0-9_.~?&=%*+/-]*)?", re.ASCII)


@dataclass(frozen=True)
class SignedIn:
    """A visitor with a session.

    Attributes:
        token: of the session.
        mark: of the member, equal in all their sessions (`drafts.mark_of`).
    """

    actor: Actor
    token: str = field(repr=False)
    organization: Organization
    mark: str

    @property
    def csrf(self) -> str:
        """CSRF token of this session's forms."""
        return forms.csrf(self.token, self.mark)

    @property
    def may_change(self) -> bool:
        """True to show forms about machines and policy."""
        return self.actor.role.may_change

    @property
    def owns(self) -> bool:
        """True to show forms about the organization."""
        return self.actor.role is Role.OWNER


@dataclass(frozen=True)
class Visit(AnyVisit[SignedIn]):
    """A request for a page of members or of everybody.

    Attributes:
        index: forms of all pages by their paths.
        notice: notice of the page; None: the notice of the change before, from the cookie.
    """

    index: Index
    notice: str | None = None

    @property
    def actor(self) -> Actor:
        """Actor for use cases; raises LookupError if the page needs no session."""
        return self.signed_in.actor

    def page(self, template: str, *, refusal: Refused | None = None, **data: Any) -> Response:
        """Render a page; a refusal sets the status and Retry-After."""
        return self.view.page(self.request, template, refusal=refusal, notice=self.notice, who=self.who, **data)

    @property
    def wants_part(self) -> bool:
        """True for a request of a script that puts the answer into its page."""
        return self.request.header("HX-Request") == "true"

    def refused(self, refusal: Refused) -> Response:
        """Render a refusal as a part of a page, with the way to sign in again if the session has ended."""
        page = self.request.path.removesuffix(LIVE) if self.request.is_safe else HOME
        return self.part_about(refusal, page if isinstance(refusal, Unauthenticated) else None)

    def problem(self, refusal: Refused) -> Response:
        """Render a refusal that no form can show."""
        return self.view.refusal(refusal, self.who)

    def done(self, path: str, notice: str = "", reverse: Undo | None = None) -> Reply:
        """Redirect to a page after a change.

        Args:
            notice: key of a notice.
            reverse: form that undoes the change, to be offered beside the notice; a repetition is not offered it.
        """
        answer = done(path, notice)
        packed = None if reverse is None else undo.packed(reverse, notice)
        return answer if packed is None else answer.with_cookie(undo.COOKIE, packed, seconds=notices.SECONDS)

    def shown_once(self, template: str, again: Outcome, **data: Any) -> Reply:
        """Render a page with a secret; a repetition of the form gets the outcome ``again``."""
        return reply(self.page(template, **data), again)

    def told(self, template: str) -> Reply:
        """Render a page without data, also for a repetition of the form."""
        return reply(self.page(template), Outcome(template=template))

    def again(self, outcome: Outcome) -> Response:
        """Answer a repetition of a form that was done."""
        if outcome.template:
            return self.page(outcome.template)
        return repeated(outcome)


@dataclass(frozen=True)
class Again:
    """A form that can be shown again with its input.

    Attributes:
        show: renders the page with the form, and a refusal if there is one.
        fields: fields that are shown again, also after another log-in; never a password or a code.
    """

    show: Callable[[Visit, Refused | None], Response]
    fields: tuple[str, ...] = ()

    @classmethod
    def by(cls, show: Callable[[Visit], Response]) -> Again:
        """Make one for a form without input fields."""
        return cls(lambda visit, _: show(visit))


@dataclass(frozen=True)
class Page:
    """Row of the table: method and path of a page or form, with its handler.

    Attributes:
        access: rights that it needs; a public page's form is protected by a cookie of its own.
        once: True if the form has a token of its own and is idempotent; False for requests of scripts, and for forms
            that change nothing when they are sent again.
        noted: True if the store notes that the form was done. False for forms that revoke access, which must work at
            any time and are harmless twice.
        polled: True for a part of a page that the page asks for again and again. It does not keep the session alive,
            has limits of its own, and is answered with a part of a page in any case.
        again: the form with its input, for a visitor whose session had ended.
    """

    method: str
    path: str
    handler: Callable[[Visit], Response]
    access: Access
    once: bool = field(default=True, kw_only=True)
    noted: bool = field(default=True, kw_only=True)
    polled: bool = field(default=False, kw_only=True)
    again: Again | None = field(default=None, kw_only=True)

    @property
    def revokes(self) -> bool:
        """True for a member's form that revokes access."""
        return not self.noted and not self.access.is_public


class Index:
    """Forms that can be shown again, by their paths."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._router = Router()
        for page in pages:
            if page.method == "POST" and page.again is not None:
                self._router.add(page.path, page.method, page)
        self._router.complete()

    def find(self, path: str) -> tuple[Page, Again, Mapping[str, str]] | None:
        """Find the form with this path, with the values of the path's variable parts."""
        try:
            page, parameters = self._router.match({"REQUEST_METHOD": "POST", "PATH_INFO": path})
        except bottle.HTTPError:
            return None
        return page, page.again, parameters


def done(path: str, notice: str = "") -> Reply:
    """Redirect to a page after a change; ``notice`` is the key of a notice."""
    answer = see_other(path)
    if notice:
        answer = answer.with_cookie(notices.COOKIE, notice, seconds=notices.SECONDS)
    return reply(answer, Outcome(path, notice))


def repeated(outcome: Outcome) -> Response:
    """Redirect a repetition of a form that was done."""
    return done(outcome.where, notices.again(outcome.notice))


def see_other(path: str) -> Response:
    """Redirect with status 303; the location is relative, so that no request header can change its host."""
    return Response(status=303, headers={"Location": path})


def is_local(path: str) -> bool:
    """True for a path of this site; False for anything that a browser could take for another site's URL."""
    return _LOCAL.fullmatch(path) is not None


def following(form: Form) -> str:
    """Get the path to go to after a log-in from ``next``; `HOME` if that is not a path of this site."""
    path = form.text("next", HOME)
    return path if is_local(path) else HOME
