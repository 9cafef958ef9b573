"""API tokens: created by a member, with a scope and an expiry, shown once.

A token may do what both its scope and its member's present role allow, but nothing that needs a session
(`Access.scope`). It is removed with the member's account.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from appliance.model.access import Scope
from appliance.model.errors import Conflict, Forbidden, Invalid, NotFound, Suspended, Unauthenticated, Unavailable
from appliance.model.ids import new_id
from appliance.model.names import check_name
from appliance.model.organization import Role
from appliance.service import notices, pages, proof, tokens, verification
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.credentials import Credential, CredentialKind
from appliance.service.recording import check_trail, recording
from appliance.service.sessions import NOWHERE
from appliance.service.standing import SUSPENDED
from appliance.store import api_tokens
from appliance.store.api_tokens import ApiToken
from appliance.store.session_table import ClientDevice

LONGEST_NAME = 63
LONGEST_DAYS = 366
USUAL_DAYS = 90
MOST_PER_MEMBER = 50
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class IssuedToken:
    """A new API token with its text, which can't be shown again."""

    token: ApiToken
    text: str = field(repr=False)


def issue(
    context: Context,
    actor: Actor,
    *,
    password: str,
    name: str,
    scope: str,
    days: int = USUAL_DAYS,
    code: str | None = None,
    device: ClientDevice = NOWHERE,
) -> IssuedToken:
    """Create an API token of the actor's.

    Args:
        days: lifetime in days.
        code: of the second factor, if the account has one.

    Raises:
        Invalid: the name, scope or lifetime is invalid.
        WrongProof: the password or the code is wrong.
        CodeNeeded: the account has a second factor, and ``code`` is None.
        Unverified: the account's address is not verified, and this service sends mail.
        Forbidden: a viewer asks for a token that can write.
        Conflict: the actor has a token of this name, or `MOST_PER_MEMBER` tokens.
    """
    checked, wanted = check_name(name, longest=LONGEST_NAME), _scope(scope)
    if not 1 <= days <= LONGEST_DAYS:
        raise Invalid("A token holds from 1 to {longest} days.", field="days", longest=LONGEST_DAYS)
    if wanted is Scope.WRITE and not actor.role.may_change:
        raise Forbidden("A viewer's token can only read.", field="scope")
    shown = proof.of_person(context, actor, password, code)
    verification.require(context, shown.member)
    now, text = context.clock(), tokens.new_token(tokens.API)
    new = ApiToken(
        id=new_id(),
        organization_id=actor.organization_id,
        member_id=actor.member_id,
        email=actor.email,
        role=actor.role,
        name=checked,
        scope=wanted,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, device)
        check_trail(context, record.organization, actor)
        if api_tokens.count(record.transaction, actor.member_id) >= MOST_PER_MEMBER:
            raise Conflict(
                "You have {most} tokens, which is the most. Revoke some first.",
                most=MOST_PER_MEMBER,
            )
        api_tokens.create(record.transaction, new, tokens.hash_of(text))
        facts = {"token": checked, "scope": wanted.value, "days": days}
        notices.record(context, record.transaction, shown.member, "token.issued", device, facts)
    return IssuedToken(new, text)


def page(
    context: Context, actor: Actor, *, after: str | None = None, limit: int = pages.LONGEST
) -> tuple[Sequence[ApiToken], str | None]:
    """List a page of tokens by id: the actor's own, or for an owner the organization's.

    Returns:
        The page, and the ``after`` of the next one (None: it is the last).
    """
    with context.store.read() as transaction:
        return pages.cut(
            lambda count: api_tokens.page_of(
                transaction, actor.organization_id, member_id=_whose(actor), after=after, limit=count
            ),
            limit,
            lambda each: each.id,
        )


def revoke(context: Context, actor: Actor, token_id: str) -> None:
    """Revoke a token: the actor's own, or for an owner anybody's in the organization.

    Raises:
        NotFound: there is no such token.
    """
    with recording(context, actor) as record:
        token = api_tokens.find(record.transaction, actor.organization_id, token_id)
        if token is None or _whose(actor) not in (None, token.member_id):
            raise NotFound("There is no such token.")
        api_tokens.remove(record.transaction, token.id)
        record.note("token.revoked", token=token.name, member=token.email)


def holder(context: Context, text: str) -> Actor:
    """Find the actor that a token's text stands for, and note that the token is in use.

    Raises:
        Unauthenticated: there is no such token, or it has expired.
        Suspended: its organization is suspended.
    """
    now, token_hash = context.clock(), tokens.hash_of(text)
    with context.store.read() as transaction:
        token = api_tokens.by_hash(transaction, token_hash, now)
    if token is None:
        raise Unauthenticated("This token does not hold: it was revoked, or it has expired.")
    if token.is_suspended:
        raise Suspended(SUSPENDED)
    if token.last_used_at is None or now - token.last_used_at > _NOTED_EVERY:
        # Reading goes on while the disk is full.
        with suppress(Unavailable), context.store.write() as transaction:
            api_tokens.touch(transaction, token.id, now)
    held = Credential(CredentialKind.TOKEN, token_hash)
    return Actor(token.organization_id, token.member_id, token.email, token.role, token.name, token.scope, held)


def _whose(actor: Actor) -> str | None:
    return None if actor.role is Role.OWNER else actor.member_id


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise Invalid("The scope is neither read nor write.", field="scope") from None
