"""Authentication of callers by a session's cookie or a bearer token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.model.errors import Forbidden, Unauthenticated
from appliance.service import Actor, Context, accounts, api_tokens, tokens
from appliance.web.payers import shares_of
from appliance.web.request import Request
from appliance.web.site import Site

CSRF_HEADER = "X-CSRF-Token"


def authenticated(site: Site, request: Request) -> tuple[Actor, str]:
    """Find the caller and its token, which is a session's or an API token.

    Raises:
        Unauthenticated: there is no valid token.
        Forbidden: the request changes something by cookie, without the CSRF header.
    """
    held = request.token
    if held is None:
        raise Unauthenticated("This needs a session or a token: sign in, or send Authorization: Bearer.")
    with noting_refusal(request):
        actor = holder_of(site.context, held, is_cookie=request.is_by_cookie)
    note_organization(request, actor)
    if not request.is_safe and request.is_by_cookie and not matches_csrf(held, request.header(CSRF_HEADER)):
        raise Forbidden("A change by cookie needs the {csrf_header} header.", csrf_header=CSRF_HEADER)
    return actor, held


@contextmanager
def noting_refusal(request: Request) -> Iterator[None]:
    """Count later requests with this token for the caller's address, if the block finds that it does not hold."""
    try:
        yield
    except Unauthenticated:
        if request.payer is not None:
            request.payer.is_refused = True
        raise


def note_organization(request: Request, actor: Actor) -> None:
    """Count this request for the actor's organization instead of the caller's address."""
    if request.payer is not None:
        request.payer.shares = shares_of(actor)


def holder_of(context: Context, held: str, *, is_cookie: bool) -> Actor:
    """Find the actor of a session's token or an API token.

    Raises:
        Unauthenticated: the token is not valid.
    """
    # Cookies hold only sessions' tokens.
    if tokens.is_for_programs(held) and not is_cookie:
        return api_tokens.holder(context, held)
    return accounts.actor_of(context, held)


def matches_csrf(held: str, shown: str) -> bool:
    """True for the session's CSRF token, with or without the mark that forms append (`forms.csrf`)."""
    return bool(shown) and tokens.same(tokens.csrf_of(held), shown.partition(".")[0])
