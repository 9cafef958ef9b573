"""Getting a second factor, and giving it up; either ends every session but a new one of who asked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.errors import Conflict, NotNow
from appliance.model.organization import Member
from appliance.service import (
    accounts,
    factor_removals,
    notices,
    proof,
    recovery_codes,
    second_factor,
    sessions,
    verification,
)
from appliance.service.context import Actor, Context, recording
from appliance.service.proof import Shown
from appliance.service.sessions import NOWHERE, Session
from appliance.store import second_factors
from appliance.store.sessions import ClientDevice
from appliance.vault import codes

ISSUER = "MeshWG"


@dataclass(frozen=True)
class Proposal:
    """A secret for an authenticator, shown once.

    Attributes:
        secret: in base32.
        uri: the same with the account's name, for a QR code.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True)
class Recovery:
    """New recovery codes, shown once, and the session that takes the place of all others."""

    codes: list[str] = field(repr=False)
    session: Session


def propose(context: Context, actor: Actor, *, password: str) -> Proposal:
    """A fresh secret. It is asked for from the moment on that its owner has shown a code of it.

    Raises:
        WrongProof: this is not the password.
        Unverified: the account's address is not verified, and could be.
        Conflict: there is a second factor.
        NotNow: the hub, which seals the secret, is not there.
    """
    shown = proof.of_password(context, actor, password)
    verification.require(context, shown.member)
    try:
        made = context.hub.create_code_secret(shown.member.organization_id, shown.member.id)
    except HubError as error:
        raise NotNow(
            "The hub is not there to make a secret. Try again soon.", retry_after=second_factor.RETRY_AFTER_S
        ) from error
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, NOWHERE)
        found = second_factors.find(record.transaction, shown.member.id)
        if found is not None and found.enabled:
            raise Conflict("You have a second factor. Turn it off first.")
        second_factors.propose(record.transaction, shown.member.id, made.sealed)
    return Proposal(made.secret, codes.provisioning_uri(made.secret, shown.member.email, ISSUER))


def proposed(context: Context, actor: Actor, secret: str) -> Proposal | None:
    """The proposal that is not confirmed yet, for who still has its secret: to be shown once more after a wrong code.

    Args:
        secret: as the page that showed it sent it back. It is compared by a code of it, as only the hub can open what
            is stored; while the hub is away, it is taken for the one that was proposed.

    Returns:
        None where none is proposed, or another one.
    """
    member = accounts.member_of(context, actor)
    with context.store.read() as transaction:
        factor = second_factors.find(transaction, member.id)
    now = context.clock().timestamp()
    try:
        code = codes.code_at(secret, now)
        if factor is None or factor.enabled:
            return None
        with suppress(HubError):
            if context.hub.match_code(member.organization_id, member.id, factor.sealed_secret, code, now) is None:
                return None
    except ValueError:
        return None
    return Proposal(secret, codes.provisioning_uri(secret, member.email, ISSUER))


def enable(context: Context, actor: Actor, *, code: str, device: ClientDevice = NOWHERE) -> Recovery:
    """The second factor is asked for from now on.

    Raises:
        WrongProof: the code is none of the secret that was proposed last.
        Conflict: none was proposed, or it is enabled.
    """
    member = accounts.member_of(context, actor)
    with context.store.read() as transaction:
        factor = second_factors.find(transaction, member.id)
    if factor is None or factor.enabled:
        raise Conflict("There is no new secret to confirm. Begin again.")
    step = second_factor.matching_step(context, member, factor, "".join(code.split()))
    with recording(context, actor) as record:
        if not second_factors.use_step(record.transaction, member.id, factor.sealed_secret, step):
            raise Conflict("Another secret was made meanwhile. Begin again.")
        second_factors.enable(record.transaction, member.id, context.clock())
        factor_removals.stop_by_use(context, record.transaction, member)
        return _recovery(context, record.transaction, member, device, "second-factor.enabled")


def disable(context: Context, actor: Actor, *, password: str, code: str, device: ClientDevice = NOWHERE) -> Session:
    """No second factor is asked for any more.

    Raises:
        WrongProof: the password or the code is wrong.
        Conflict: there is none.
    """
    shown = _shown(context, actor, password, code)
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, device)
        second_factors.remove(record.transaction, shown.member.id)
        notices.record(context, record.transaction, shown.member, "second-factor.disabled", device)
        return sessions.start_over(context, record.transaction, shown.member, device)


def renew_recovery_codes(
    context: Context, actor: Actor, *, password: str, code: str, device: ClientDevice = NOWHERE
) -> Recovery:
    """Ten new recovery codes; those of before are worth nothing.

    Raises:
        WrongProof: the password or the code is wrong.
        Conflict: there is no second factor.
    """
    shown = _shown(context, actor, password, code)
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, device)
        return _recovery(context, record.transaction, shown.member, device, "recovery-codes.made")


def _shown(context: Context, actor: Actor, password: str, code: str) -> Shown:
    shown = proof.of_person(context, actor, password, code)
    if shown.code is None or shown.code.factor is None:
        raise Conflict("You have no second factor.")
    return shown


def _recovery(context: Context, transaction: Connection, member: Member, device: ClientDevice, action: str) -> Recovery:
    made = recovery_codes.new_codes()
    hashes = [recovery_codes.hash_of(member.id, each) for each in made]
    second_factors.replace_recovery_codes(transaction, member.id, hashes)
    notices.record(context, transaction, member, action, device)
    return Recovery(made, sessions.start_over(context, transaction, member, device))
