"""Callers that sign in: by a session's cookie, or by a bearer token."""

from __future__ import annotations

from appliance.model.errors import Forbidden, Unauthenticated
from appliance.service import Actor, Context, accounts, api_tokens, tokens
from appliance.web.request import Request
from appliance.web.site import Site

CSRF_HEADER = "X-CSRF-Token"


def authenticated(site: Site, request: Request) -> tuple[Actor, str]:
    """Find the caller, and the token that it is known by: a session's, or one for programs.

    Raises:
        Unauthenticated: there is no token, or a bad one.
        Forbidden: a change by cookie without the CSRF header.
    """
    held = request.token
    if held is None:
        raise Unauthenticated("This needs a session or a token: sign in, or send Authorization: Bearer.")
    actor = holder_of(site.context, held, is_cookie=request.is_by_cookie)
    note_organization(request, actor)
    if not request.is_safe and request.is_by_cookie and not matches_csrf(held, request.header(CSRF_HEADER)):
        raise Forbidden(f"A change by cookie needs the {CSRF_HEADER} header.")
    return actor, held


def note_organization(request: Request, actor: Actor) -> None:
    """Count this request for the actor's organization, not for the address that it came from."""
    if request.payer is not None:
        request.payer.organization = actor.organization_id


def holder_of(context: Context, held: str, *, is_cookie: bool) -> Actor:
    """Find the holder of a session's token, or of one for programs.

    Raises:
        Unauthenticated: the token is good for nothing.
    """
    # A cookie is a person's: no page of ours puts a program's token there.
    if tokens.is_for_programs(held) and not is_cookie:
        return api_tokens.holder(context, held)
    return accounts.actor_of(context, held)


def matches_csrf(held: str, shown: str) -> bool:
    """True for the session's CSRF token, as it is or with the mark that forms add (`forms.csrf`)."""
    return bool(shown) and tokens.same(tokens.csrf_of(held), shown.partition(".")[0])
