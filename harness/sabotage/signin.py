"""Sabotages of sign-in and of credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from appliance.model.addresses import Network
from appliance.model.organization import Member, Role
from appliance.service import Actor, Context, accounts, credentials, factor_removals, log_in, proof, sessions, ways_in
from appliance.service.credentials import Credential
from appliance.service.proof import FreshProof
from appliance.service.sessions import Session
from appliance.store import api_tokens as stored_tokens
from appliance.store import people, schema, second_factors, tickets
from appliance.store.factor_table import FactorTable
from appliance.store.tickets import TicketKind
from appliance.web import authentication, gateway, login_guard, proxies, rates
from appliance.web.allowance import Rate
from appliance.web.limits import RateLimits
from appliance.web.network_allowance import NetworkRates
from appliance.web.pages import dispatch
from appliance.web.pages.forms import CSRF_FIELD, Form
from appliance.web.pages.routes import Page, Visit
from appliance.web.request import Request
from appliance.web.response import Response
from appliance.web.site import Site
from harness.sabotage.parts import remembering, replace_part

_MANY = Rate(1_000_000, 60.0)


def trust_every_cookie() -> None:
    """Accepts changes by cookie with any CSRF token, or none."""

    def matches(held: str, shown: str) -> bool:
        del held, shown
        return True

    authentication.matches_csrf = matches


def trust_forms_of_new_keys() -> None:
    """Accepts the form for a machine's new key with any CSRF token, or none."""
    check: Callable[[Page, Visit], Response | None] = vars(dispatch)["_refused"]

    def refused(page: Page, visit: Visit) -> Response | None:
        if page.path == "/machines/<id>/rotate" and visit.who is not None:
            visit = replace(visit, form=Form({**visit.form.fields, CSRF_FIELD: visit.who.csrf}))
        return check(page, visit)

    replace_part(dispatch, "_refused", refused)


def stop_removals_of_everyone() -> None:
    """Stops the removal of a member's second factor, whichever organization's owner asks."""
    stopped = factor_removals.stop

    def stop(context: Context, actor: Actor, member_id: str) -> None:
        with context.store.read() as transaction:
            member = people.by_id(transaction, member_id)
        organization = actor.organization_id if member is None else member.organization_id
        stopped(context, replace(actor, organization_id=organization), member_id)

    factor_removals.stop = stop


def remember_members() -> None:
    """Looks up the member of a session once, and remembers it."""
    sessions.holder = remembering(sessions.holder)


def take_cookies_first() -> None:
    """Lets a request with a bearer token and a session cookie in by the cookie."""

    def token(self: Request) -> str | None:
        _, _, bearer = self.header("Authorization").partition(" ")
        return self.session_token or bearer.strip() or None

    replace_part(Request, "token", property(token))


def count_no_guesses() -> None:
    """Does not count wrong passwords and codes."""

    @contextmanager
    def guessing(self: RateLimits, address: str, email: str) -> Iterator[None]:
        del self, address, email
        yield

    RateLimits.guessing = guessing  # type: ignore[method-assign]


def let_waits_stay() -> None:
    """Lets one guess in twelve seconds be checked, however many were wrong before."""
    replace_part(rates, "GUESSES_PER_ACCOUNT", rates.GUESSES_PER_ACCOUNT[:1])


def count_each_address_alone() -> None:
    """Counts each address by itself, in place of a customer's network."""
    counted = proxies.networks_of

    def networks_of(address: str) -> tuple[str, ...]:
        return counted(address)[:1]

    proxies.networks_of = networks_of  # type: ignore[assignment]


def keep_sessions() -> None:
    """Keeps sessions after a change of the password."""

    def end_every(transaction: Connection, member: Member) -> None:
        del transaction, member

    sessions.end_every = end_every


def keep_tokens() -> None:
    """Keeps tokens and passkeys after a change of the password."""

    def end(
        transaction: Connection, member: Member, *, keep_tokens: bool = False, keep_passkeys: bool = False
    ) -> dict[str, Any]:
        del keep_tokens, keep_passkeys
        sessions.end_every(transaction, member)
        return {}

    ways_in.end = end


def ask_for_no_proof() -> None:
    """Makes tokens and passkeys without asking for the password."""

    def of_person(context: Context, actor: Actor, password: str, code: str | None) -> FreshProof:
        del password, code
        return FreshProof(accounts.member_of(context, actor))

    proof.of_person = of_person


def look_at_the_caller_once() -> None:
    """Does not check a caller's credential and role again when the call commits."""

    def role_of(transaction: Connection, credential: Credential, now: datetime, *, locked: bool) -> Role:
        del transaction, credential, now, locked
        return Role.OWNER

    credentials.role_of = role_of


def keep_roles_of_tokens() -> None:
    """Lets a token do what its member's role allowed when the token was first used."""
    first: dict[str, Role] = {}
    found, present = stored_tokens.by_hash, stored_tokens.role_of

    def by_hash(transaction: Connection, token_hash: str, now: datetime) -> stored_tokens.ApiToken | None:
        token = found(transaction, token_hash, now)
        return None if token is None else replace(token, role=first.setdefault(token_hash, token.role))

    def role_of(transaction: Connection, token_hash: str, now: datetime, *, locked: bool) -> Role | None:
        role = present(transaction, token_hash, now, locked=locked)
        return None if role is None else first.setdefault(token_hash, role)

    stored_tokens.by_hash = by_hash
    stored_tokens.role_of = role_of


def take_codes_again() -> None:
    """Accepts a code of a second factor again."""

    class Forgetful(FactorTable):
        def use_step(self, transaction: Connection, holder: str, sealed_secret: bytes, step: int) -> bool:
            del transaction, holder, sealed_secret, step
            return True

    second_factors.MEMBERS = Forgetful(schema.second_factors, schema.recovery_codes, "member_id")


def let_sessions_idle() -> None:
    """Ends no session for want of use."""
    for owner in (credentials, sessions):
        replace_part(owner, "IDLE", timedelta(days=1000))


def let_tokens_live_on() -> None:
    """Takes API tokens after their day."""
    found = stored_tokens.by_hash

    def by_hash(transaction: Connection, token_hash: str, now: datetime) -> stored_tokens.ApiToken | None:
        return found(transaction, token_hash, now - timedelta(days=1000))

    stored_tokens.by_hash = by_hash


def keep_waiting_log_ins() -> None:
    """Keeps log-ins that wait for their code after a change of the password."""
    drop = tickets.drop

    def drop_others(transaction: Connection, member_id: str, *kinds: TicketKind) -> None:
        drop(transaction, member_id, *(kind for kind in kinds if kind is not TicketKind.LOG_IN))

    tickets.drop = drop_others


def count_no_codes_on_the_page() -> None:
    """Does not count wrong codes of log-ins in two steps."""

    def complete_log_in(site: Site, request: Request, ticket: str, code: str) -> Session:
        with login_guard.hashing(site, request):
            return log_in.complete(site.context, ticket, code=code, device=request.device)

    login_guard.complete_log_in = complete_log_in


def believe_what_proxies_pass_on() -> None:
    """Takes the first address that a trusted proxy's header names for the caller's, which the caller may have set."""

    def client_address(peer: str, forwarded: str, networks: Sequence[Network]) -> str:
        return forwarded.partition(",")[0].strip() if forwarded and proxies.is_one_of(peer, networks) else peer

    replace_part(gateway, "client_address", client_address)


def count_guesses_by_account_alone() -> None:
    """Counts wrong passwords and codes for their account, and not for the address that they come from."""
    replace_part(rates, "GUESSES", NetworkRates((_MANY,), everybody=(_MANY,)))


def count_no_changes() -> None:
    """Counts no calls that change something."""
    replace_part(rates, "WRITES_PER_ORGANIZATION", (_MANY,))
