"""The way in for people, through the API and through the pages: within the limits."""

from __future__ import annotations

from contextlib import AbstractContextManager

from appliance.service import Actor, resets, verification
from appliance.service import log_in as login
from appliance.service.sessions import Session
from appliance.web import request
from appliance.web.request import Site


def guessing(site: Site, email: str) -> AbstractContextManager[None]:
    """For a block that says whether a password or a code is right: a wrong one counts, and too many end it.

    Raises:
        TooMany: there were too many wrong ones from this address, or for this account.
    """
    return site.limits.guessing(request.address(), email)


def log_in(site: Site, email: str, password: str, code: str | None) -> Session:
    """Logs in within the limits; a failed attempt counts, a successful one does not."""
    with guessing(site, email):
        return login.at_once(site.workplace, email=email, password=password, code=code, device=request.device())


def begin_log_in(site: Site, email: str, password: str) -> Session:
    """As `log_in`, where a code is asked for only after the password: then raises `HalfWay`."""
    with guessing(site, email):
        return login.begin(site.workplace, email=email, password=password, device=request.device())


def finish_log_in(site: Site, ticket: str, code: str) -> Session:
    """The code that was missing."""
    with guessing(site, login.half_way(site.workplace, ticket).email):
        return login.finish(site.workplace, ticket, code=code, device=request.device())


def ask_for_reset(site: Site, email: str) -> None:
    """Asks for a link to another password, within the limits."""
    site.limits.letter(request.address(), email)
    resets.ask(site.workplace, email)


def ask_for_verification(site: Site, actor: Actor) -> None:
    """Asks for another link that verifies the actor's address, within the limits."""
    site.limits.letter(request.address(), actor.email)
    verification.ask_again(site.workplace, actor)
