"""Rows of the table of pages, with their visitors and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bottle

from appliance.model.access import Access
from appliance.model.errors import Refused
from appliance.model.organization import Organization, Role
from appliance.service import Actor, Context
from appliance.web.pages import forms, notices
from appliance.web.pages.forms import Form
from appliance.web.pages.outcomes import Outcome, Reply, reply
from appliance.web.pages.view import View
from appliance.web.refusals import status_of
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site

HOME = "/machines"
# A path of this site and nothing that a browser could take for another one's: no //host, no backslash, no scheme.
_LOCAL = re.compile(r"/(?:[A-Za-z0-9_.~?&=%*+-][A-Za-z0-9_.~?&=%*+/-]*)?", re.ASCII)


@dataclass(frozen=True)
class Who:
    """Somebody who is signed in.

    Attributes:
        mark: the same in all sessions of theirs (`drafts.mark_of`).
    """

    actor: Actor
    token: str = field(repr=False)
    organization: Organization
    mark: str

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return forms.csrf(self.token, self.mark)

    @property
    def may_change(self) -> bool:
        """Whether to show forms about machines and policy."""
        return self.actor.role.may_change

    @property
    def owns(self) -> bool:
        """Whether to show forms about the organization."""
        return self.actor.role is Role.OWNER


@dataclass(frozen=True)
class Visit:
    """A request as its page gets it: signed in where the page needs it, a form that was ours, within the limits.

    Attributes:
        index: where the forms of all pages are sent.
        notice: what the page says first; None: what the change before it left to be said.
    """

    site: Site
    request: Request
    view: View
    who: Who | None
    form: Form
    index: Index
    notice: str | None = None

    @property
    def parameters(self) -> Mapping[str, str]:
        """Values of the variable parts of the path."""
        return self.request.parameters

    @property
    def context(self) -> Context:
        """What use cases work with."""
        return self.site.context

    @property
    def signed_in(self) -> Who:
        """Who visits; only pages that need a session may ask."""
        if self.who is None:
            raise LookupError("this page needs no session, so nobody is known")
        return self.who

    @property
    def actor(self) -> Actor:
        """Who asks a use case."""
        return self.signed_in.actor

    @property
    def query(self) -> Form:
        """The query of the URL, which forms that change nothing are sent in."""
        return Form(forms.parse(self.request.query_string.encode("utf-8")))

    def page(self, template: str, *, refusal: Refused | None = None, **data: Any) -> Response:
        """The page; with a refusal, its status and when to try again."""
        status = status_of(type(refusal)) if refusal is not None else 200
        notice = notices.words(self.request.cookies.get(notices.COOKIE, ""))
        said = self.notice or notice
        answer = self.view.answer(template, status=status, who=self.who, refusal=refusal, notice=said, **data)
        if notice is not None:
            answer = answer.without_cookie(notices.COOKIE)
        if refusal is not None and refusal.retry_after is not None:
            answer = answer.with_header("Retry-After", str(refusal.retry_after))
        return answer

    def problem(self, refusal: Refused) -> Response:
        """The page that tells of a refusal which no form can show."""
        return self.view.refusal(refusal, self.who)

    def done(self, path: str, notice: str = "") -> Reply:
        """Lead from a change that was made to the page that shows it; without a notice to say of it, silently."""
        answer = see_other(path)
        if notice:
            answer = answer.with_cookie(notices.COOKIE, notice, seconds=notices.SECONDS)
        return reply(answer, Outcome(path, notice))

    def shown_once(self, template: str, again: Outcome, **data: Any) -> Reply:
        """The page with what is shown once; a repetition of the form is told ``again``."""
        return reply(self.page(template, **data), again)

    def told(self, template: str) -> Reply:
        """The page that tells what was done, also to a repetition of the form."""
        return reply(self.page(template), Outcome(template=template))

    def again(self, outcome: Outcome) -> Response:
        """The answer to a form that came before, and was done then."""
        if outcome.template:
            return self.page(outcome.template)
        return self.done(outcome.where, notices.again(outcome.notice))


@dataclass(frozen=True)
class Again:
    """A form that can be shown once more with what was typed.

    Attributes:
        show: the page with the form; with a refusal, it tells of that.
        fields: what is shown again, also after another log-in. Never a password or a code.
    """

    show: Callable[[Visit, Refused | None], Response]
    fields: tuple[str, ...] = ()

    @classmethod
    def by(cls, show: Callable[[Visit], Response]) -> Again:
        """A form into which nothing is typed: its page is as it was."""
        return cls(lambda visit, _: show(visit))


@dataclass(frozen=True)
class Page:
    """One row: what answers a path.

    Attributes:
        access: who may open or send it; a public page's form is protected by a cookie of its own.
        once: whether its form carries a token of its own, and is done once; not what a script asks for.
        noted: whether the store notes that it was done. It does not for what takes somebody's way in away, which is
            possible at any time, and harmless twice.
        again: how its form is shown once more, for who was signed out meanwhile.
    """

    method: str
    path: str
    handler: Callable[[Visit], Response]
    access: Access
    once: bool = field(default=True, kw_only=True)
    noted: bool = field(default=True, kw_only=True)
    again: Again | None = field(default=None, kw_only=True)


class Index:
    """The forms that can be shown again, by where they are sent."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self._router = bottle.Router()
        for page in pages:
            if page.method == "POST" and page.again is not None:
                self._router.add(page.path, page.method, page)

    def find(self, path: str) -> tuple[Page, Again, Mapping[str, str]] | None:
        """The page of the form that is sent to this path, and what the path names."""
        try:
            page, parameters = self._router.match({"REQUEST_METHOD": "POST", "PATH_INFO": path})
        except bottle.HTTPError:
            return None
        return page, page.again, parameters


def see_other(path: str) -> Response:
    """303: look there with GET. The location is relative, so no header of the caller's can bend it."""
    return Response(status=303, headers={"Location": path})


def is_local(path: str) -> bool:
    """Whether this is a path of this site, and not an address of somewhere else in disguise."""
    return _LOCAL.fullmatch(path) is not None


def following(form: Form) -> str:
    """Where its ``next`` leads after a log-in; home, if that is not a path of this site."""
    path = form.text("next", HOME)
    return path if is_local(path) else HOME
