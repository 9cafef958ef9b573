"""Log-in, sign-up and other calls of strangers, within the rate limits; for API and pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.languages import reader
from appliance.model import emails
from appliance.model.errors import NotFound, TooMany
from appliance.model.organization import Organization
from appliance.service import (
    Actor,
    accounts,
    invitations,
    operator_sessions,
    passkeys,
    passwords,
    permits,
    resets,
    sessions,
    unused,
    verification,
)
from appliance.service import log_in as login
from appliance.service.passwords import Caller
from appliance.service.sessions import Session
from appliance.web.network_allowance import EVERYBODY
from appliance.web.proxies import networks_of
from appliance.web.request import Request
from appliance.web.site import Site


@contextmanager
def hashing(site: Site, request: Request, email: str | None = None) -> Iterator[None]:
    """Hash passwords in the block in the queue of the caller's network.

    Args:
        email: the account's; a caller that has opened it before is served before strangers.
    """
    address = request.address
    is_favoured = site.limits.is_trusted(address) or (email is not None and site.limits.is_known(address, email))
    with passwords.on_behalf_of(Caller(networks_of(address)[-1], is_favoured)):
        yield


@contextmanager
def guessing(site: Site, request: Request, email: str) -> Iterator[None]:
    """Count a wrong password or code in the block (`RateLimits.guessing`), and hash as `hashing` does.

    Raises:
        TooMany: too many were wrong from this address, or for this account.
    """
    with site.limits.guessing(request.address, email), hashing(site, request, email):
        yield


def sign_up(
    site: Site,
    request: Request,
    *,
    email: str,
    password: str,
    organization: str,
    network: str | None,
    link: str | None,
) -> tuple[Session, Organization]:
    """Sign an organization up, within the limits.

    A link that does not hold counts for the caller's networks only, and so does an operator's: a crowd without links
    keeps nobody out whom the operator invites. A letter's link is anybody's who asks for one, so it counts for
    everybody, but once: whoever has one uses up no more by bad input.
    """
    try:
        permit = permits.find(site.context, link)
    except NotFound:
        site.limits.sign_up(request.address, as_everybody=False)
        raise
    if permit is not None and permit.by_letter:
        site.limits.sign_up(request.address, link=permit.id)
    else:
        site.limits.sign_up(request.address, as_everybody=permit is None)
    if permit is None and not site.limits.is_trusted(request.address):
        unused.check_room(site.context)
    with hashing(site, request):
        return accounts.sign_up(
            site.context,
            email=email,
            password=password,
            organization=organization,
            network=network,
            link=link,
            language=reader().language.tag,
            device=request.device,
        )


def ask_to_sign_up(site: Site, request: Request, email: str) -> None:
    """Ask for a sign-up link, within the limits."""
    site.limits.sign_up_letter(request.address, email)
    try:
        permits.ask(site.context, email, reader().language.tag)
    except TooMany:
        site.limits.note("unused-sign-up-links", EVERYBODY, EVERYBODY)
        raise


def accept_invitation(site: Site, request: Request, token: str, password: str) -> Session:
    """Accept an invitation, within the limits; those of an organization limit how many there are."""
    site.limits.sign_up(request.address, as_everybody=False)
    with hashing(site, request):
        return invitations.accept(
            site.context, token=token, password=password, language=reader().language.tag, device=request.device
        )


def complete_reset(site: Site, request: Request, token: str, password: str) -> None:
    """Choose another password with a link."""
    with hashing(site, request):
        resets.complete(site.context, token, password, request.device)


def log_in(site: Site, request: Request, email: str, password: str, code: str | None) -> Session:
    """Log in within the limits; only a failed attempt counts as a guess."""
    site.limits.log_in(request.address, email)
    with guessing(site, request, email):
        return login.log_in(site.context, email=email, password=password, code=code, device=request.device)


def start_log_in(site: Site, request: Request, email: str, password: str) -> Session:
    """Log in with a password within the limits; raises `CodePending` if the account also needs a code."""
    site.limits.log_in(request.address, email)
    with guessing(site, request, email):
        return login.start(site.context, email=email, password=password, device=request.device)


def log_in_operator(site: Site, request: Request, email: str, password: str, code: str) -> Session:
    """Log an operator in within the limits, which are apart from those of a member with the same address."""
    account = operator_account(email)
    site.limits.operator_log_in(request.address, account)
    with guessing(site, request, account):
        return operator_sessions.log_in(site.context, email=email, password=password, code=code, device=request.device)


def operator_account(email: str) -> str:
    """Name of an operator's account in the limits; no e-mail address has a space."""
    return f"operator {emails.canonical(email)}"


def log_in_by_passkey(site: Site, request: Request, holder: str, credential: str) -> Session:
    """Log in with a passkey, within the limits."""
    site.limits.log_in(request.address, None)
    session = passkeys.log_in(site.context, holder, credential=credential, device=request.device)
    site.limits.remember(request.address, sessions.holder(site.context, session.token).email)
    return session


def challenge_passkey(site: Site, request: Request, holder: str) -> str:
    """Make the options for a log-in with a passkey, within the limits."""
    site.limits.challenge(request.address)
    return passkeys.begin_log_in(site.context, holder)


def complete_log_in(site: Site, request: Request, ticket: str, code: str) -> Session:
    """Complete a log-in with its code, within the limits."""
    with guessing(site, request, login.pending_member(site.context, ticket).email):
        return login.complete(site.context, ticket, code=code, device=request.device)


def ask_for_reset(site: Site, request: Request, email: str) -> None:
    """Ask for a link to reset the password, within the limits."""
    site.limits.letter(request.address, email)
    resets.ask(site.context, email)


def ask_for_verification(site: Site, request: Request, actor: Actor) -> None:
    """Ask for another link that verifies the actor's address, within the limits."""
    site.limits.letter(request.address, actor.email, is_member=True)
    verification.ask_again(site.context, actor)
