"""What a page is, who visits it, and how a row of the table becomes a route."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import bottle

from appliance.model.access import Access
from appliance.model.errors import NotFound, Refused, Unauthenticated
from appliance.model.organization import Organization, Role
from appliance.service import Actor, Workplace, accounts, organizations, tokens
from appliance.web import request
from appliance.web.pages import forms
from appliance.web.pages.forms import Form
from appliance.web.pages.view import View
from appliance.web.request import Site

HOME = "/machines"
_DONE_COOKIE = "__Host-meshwg-done"
_DONE_SECONDS = 60
# What a page says after the change that led to it. Only a key travels in the cookie.
_NOTICES = {
    "changed": "The machine is changed; rules about its groups hold for it already.",
    "disabled": "The machine is disabled, and its tunnel is dead.",
    "enabled": "The machine is enabled, and can connect.",
    "removed": "The machine is removed, and its tunnel is dead.",
    "saved": "The policy is saved, and the hub enforces it.",
    "renamed": "The organization has its new name.",
    "plan": "The plan is switched.",
    "password": "Your password is changed. Every other session has ended, and so has each token and passkey not kept.",
    "verification": "A letter with a link is on its way to your address.",
    "second-factor-off": "Your second factor is turned off, and every other session of yours has ended.",
    "passkey-added": "The passkey is added, and every other session of yours has ended.",
    "passkey-renamed": "The passkey has its new name.",
    "passkey-removed": "The passkey is removed, and every other session of yours has ended.",
    "session-ended": "The session has ended.",
    "sessions-ended": "Every other session of yours has ended.",
    "invited": "A letter with a link is on its way.",
    "revoked": "The invitation is revoked, and its link leads nowhere.",
    "role": "The role is changed, and holds at once.",
    "member": "The member is removed, and signed out everywhere.",
    "transferred": "The organization has its new owner, and you are an admin.",
    "token": "The token is revoked, and refused at once.",
}
# A path of this site and nothing that a browser could take for another one's: no //host, no backslash, no scheme.
_LOCAL = re.compile(r"/(?:[A-Za-z0-9_.~?&=%-][A-Za-z0-9_.~?&=%/-]*)?", re.ASCII)


@dataclass(frozen=True)
class Who:
    """Somebody who is signed in."""

    actor: Actor
    token: str
    organization: Organization

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return tokens.csrf_of(self.token)

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
    """A request as its page gets it: signed in where the page needs it, a form that was ours, within the limits."""

    site: Site
    view: View
    who: Who | None
    form: Form
    parameters: Mapping[str, str]

    @property
    def workplace(self) -> Workplace:
        """What use cases work with."""
        return self.site.workplace

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
        return Form(forms.parse(bottle.request.query_string.encode("utf-8")))

    def page(self, template: str, *, refusal: Refused | None = None, **data: Any) -> bottle.HTTPResponse:
        """The page; with a refusal, its status and when to try again."""
        status = refusal.status if refusal is not None else 200
        notice = _NOTICES.get(bottle.request.get_cookie(_DONE_COOKIE, "")) if self.who is not None else None
        answer = self.view.answer(template, status=status, who=self.who, refusal=refusal, notice=notice, **data)
        if notice is not None:
            forget_cookie(answer, _DONE_COOKIE)
        if refusal is not None and refusal.retry_after is not None:
            answer.set_header("Retry-After", str(refusal.retry_after))
        return answer

    def problem(self, refusal: Refused) -> bottle.HTTPResponse:
        """The page that tells of a refusal which no form can show."""
        return self.view.refusal(refusal, self.who)

    def done(self, path: str, notice: str) -> bottle.HTTPResponse:
        """Leads from a change that was made to the page that shows it."""
        answer = see_other(path)
        set_cookie(answer, _DONE_COOKIE, notice, seconds=_DONE_SECONDS)
        return answer


@dataclass(frozen=True)
class Page:
    """One row: what answers a path.

    Attributes:
        access: who may open or send it; a public page's form is protected by a cookie of its own.
    """

    method: str
    path: str
    handler: Callable[[Visit], bottle.HTTPResponse]
    access: Access


def install(app: bottle.Bottle, site: Site, view: View, pages: Sequence[Page]) -> None:
    """Adds these pages to the application."""
    for page in pages:
        app.route(page.path, method=page.method, callback=_callback(page, site, view))


def see_other(path: str) -> bottle.HTTPResponse:
    """303: look there with GET. The location is relative, so no header of the caller's can bend it."""
    return bottle.HTTPResponse(status=303, headers={"Location": path})


def is_local(path: str) -> bool:
    """Whether this is a path of this site, and not an address of somewhere else in disguise."""
    return _LOCAL.fullmatch(path) is not None


def following(form: Form) -> str:
    """Where its ``next`` leads after a log-in; home, if that is not a path of this site."""
    path = form.text("next", HOME)
    return path if is_local(path) else HOME


def set_cookie(answer: bottle.HTTPResponse, name: str, value: str, *, seconds: int | None = None) -> None:
    """A cookie that scripts can't read and that only this host gets back, over TLS.

    Args:
        seconds: how long it is kept; None: until the browser ends.
    """
    limits = {} if seconds is None else {"max_age": seconds}
    answer.set_cookie(name, value, **limits, path="/", secure=True, httponly=True, samesite="lax")


def forget_cookie(answer: bottle.HTTPResponse, name: str) -> None:
    """Has the browser drop it."""
    answer.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def _callback(page: Page, site: Site, view: View) -> Callable[..., bottle.HTTPResponse]:
    def handle(**parameters: str) -> bottle.HTTPResponse:
        visit = Visit(site, view, _who(site), Form(), parameters)
        try:
            if visit.who is None:
                site.limits.stranger(request.address())
                if not page.access.is_public:
                    return _to_log_in()
            else:
                site.limits.read(request.address(), visit.who.actor.organization_id)
                page.access.check(visit.actor.role, None)
            if page.method == "POST":
                visit = Visit(site, view, visit.who, forms.read(), parameters)
                _check_post(page, visit)
            return page.handler(visit)
        except Refused as refusal:
            return visit.problem(refusal)

    return handle


def _check_post(page: Page, visit: Visit) -> None:
    if page.access.is_public:
        forms.check_form_token(visit.form)
        return
    forms.check_csrf(visit.form, visit.signed_in.token)
    visit.site.limits.write(request.address(), visit.actor.organization_id)


def _who(site: Site) -> Who | None:
    held = request.cookie_token()
    if held is None:
        return None
    try:
        actor = accounts.actor_of(site.workplace, held)
        request.note_organization(actor)
        return Who(actor, held, organizations.get(site.workplace, actor))
    except (Unauthenticated, NotFound):
        return None


def _to_log_in() -> bottle.HTTPResponse:
    path = bottle.request.path
    if bottle.request.query_string:
        path += "?" + bottle.request.query_string
    if bottle.request.method not in ("GET", "HEAD") or not is_local(path) or path == HOME:
        return see_other("/login")
    return see_other("/login?next=" + quote(path, safe="/"))
