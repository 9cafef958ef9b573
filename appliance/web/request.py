"""What a request is to the rest of this package: who calls, from where, with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import bottle

from appliance.model.errors import Forbidden, Unauthenticated
from appliance.service import Actor, Workplace, accounts, api_tokens, tokens
from appliance.service.transcripts import Shelf
from appliance.store.sessions import Device
from appliance.web import payers
from appliance.web.answers import Answers
from appliance.web.gateway import REFUSED
from appliance.web.limits import RateLimits
from appliance.web.posts import Posts

COOKIE = payers.COOKIE
CSRF_HEADER = "X-CSRF-Token"
_BODY = "meshwg.body"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Site:
    """Objects that every handler works with.

    Attributes:
        form_posts: forms of pages that may come twice.
        call_posts: strangers' calls with an Idempotency-Key, which may as well.
    """

    workplace: Workplace
    limits: RateLimits
    shelf: Shelf
    answers: Answers = field(default_factory=Answers)
    form_posts: Posts[bottle.HTTPResponse, Any] = field(default_factory=Posts)
    call_posts: Posts[bottle.HTTPResponse, Any] = field(default_factory=Posts)


def header(name: str) -> str:
    """A header as it was sent, whatever bytes it has; nothing where it was not."""
    return str(bottle.request.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))


def address() -> str:
    """The caller's address; what a proxy says counts only where the operator trusts it (`proxies`)."""
    return str(bottle.request.environ.get("REMOTE_ADDR", ""))


def device() -> Device:
    """What the caller uses, as far as it says."""
    return Device(address(), header("User-Agent"))


def token() -> str | None:
    """The bearer token, else the session cookie's."""
    scheme, _, credentials = header("Authorization").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return cookie_token()


def cookie_token() -> str | None:
    """The session cookie's token."""
    value = bottle.request.get_cookie(COOKIE)
    return str(value) if value else None


def comes_from_cookie() -> bool:
    """Whether the browser vouches for the caller, who then must show that the page was ours."""
    return not header("Authorization").lower().startswith("bearer ")


def authenticated(site: Site) -> tuple[Actor, str]:
    """Who calls, and with which token: a session's, or one for programs.

    Raises:
        Unauthenticated: nobody that we know.
        Forbidden: a change by cookie without the CSRF header.
    """
    held = token()
    if held is None:
        raise Unauthenticated("This needs a session or a token: sign in, or send Authorization: Bearer.")
    actor = holder_of(site.workplace, held, is_cookie=comes_from_cookie())
    note_organization(actor)
    if (
        bottle.request.method not in SAFE_METHODS
        and comes_from_cookie()
        and not matches_csrf(held, header(CSRF_HEADER))
    ):
        raise Forbidden(f"A change by cookie needs the {CSRF_HEADER} header.")
    return actor, held


def note_organization(actor: Actor) -> None:
    """Has this request counted for the actor's organization, not for the address that it came from."""
    caller = bottle.request.environ.get(payers.CALLER)
    if caller is not None:
        caller.organization = actor.organization_id


def holder_of(workplace: Workplace, held: str, *, is_cookie: bool) -> Actor:
    """The holder of a session's token, or of one for programs.

    Raises:
        Unauthenticated: it is good for nothing.
    """
    # A cookie is a person's: no page of ours puts a program's token there.
    if tokens.is_for_programs(held) and not is_cookie:
        return api_tokens.holder(workplace, held)
    return accounts.actor_of(workplace, held)


def matches_csrf(held: str, shown: str) -> bool:
    """True for the session's CSRF token, as it is or with the mark that forms add (`forms.csrf`)."""
    return bool(shown) and tokens.same(tokens.csrf_of(held), shown.partition(".")[0])


def check_read() -> None:
    """Raises why the request was not read to its end, if it was not."""
    refusal = bottle.request.environ.get(REFUSED)
    if refusal is not None:
        raise refusal


def body() -> bytes:
    """The request's body, which the gateway has read."""
    environ = bottle.request.environ
    if _BODY not in environ:
        environ[_BODY] = bytes(environ["wsgi.input"].read(max(0, bottle.request.content_length)))
    return bytes(environ[_BODY])


def query() -> Mapping[str, Any]:
    """The query's parameters, as text."""
    return {str(key): bottle.request.query.getunicode(key) for key in bottle.request.query}
