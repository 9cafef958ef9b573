"""Enabling and disabling a second factor; either ends every session and opens a new one for the caller."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from appliance.model.errors import Conflict
from appliance.model.organization import Member
from appliance.service import (
    accounts,
    factor_removals,
    notices,
    one_time_codes,
    proof,
    second_factor,
    sessions,
    verification,
)
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.one_time_codes import Proposal
from appliance.service.proof import FreshProof
from appliance.service.recording import check_account_trail, recording
from appliance.service.sessions import NOWHERE, Session
from appliance.store import second_factors
from appliance.store.session_table import ClientDevice


@dataclass(frozen=True)
class Recovery:
    """New recovery codes, shown once, and the session that replaces all others."""

    codes: list[str] = field(repr=False)
    session: Session


def propose(context: Context, actor: Actor, *, password: str) -> Proposal:
    """Create a secret for a second factor; `enable` turns it on with a code of it.

    Raises:
        WrongProof: the password is wrong.
        Unverified: the account's address is not verified, and this service sends mail.
        Conflict: the account has a second factor.
        NotNow: the hub, which seals the secret, does not answer.
    """
    shown = proof.of_password(context, actor, password)
    verification.require(context, shown.member)
    made = one_time_codes.new_secret(context, second_factor.holder_of(shown.member))
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, NOWHERE)
        found = second_factors.find(record.transaction, shown.member.id)
        if found is not None and found.enabled:
            raise Conflict("You have a second factor. Turn it off first.")
        second_factors.propose(record.transaction, shown.member.id, made.sealed)
        # It opens nothing before it is turned on.
        record.leave_no_entry()
    return Proposal.of(made.secret, shown.member.email)


def proposed(context: Context, actor: Actor, secret: str) -> Proposal | None:
    """Make the pending proposal again, to show it once more after a wrong code.

    Args:
        secret: as the page sent it back.

    Returns:
        None if no secret is pending, or another one.
    """
    member = accounts.member_of(context, actor)
    if not one_time_codes.is_proposed(context, second_factor.holder_of(member), secret):
        return None
    return Proposal.of(secret, member.email)


def enable(context: Context, actor: Actor, *, code: str, device: ClientDevice = NOWHERE) -> Recovery:
    """Turn the proposed second factor on.

    Raises:
        WrongProof: the code is not of the secret that was proposed last.
        Conflict: no secret is pending.
    """
    member = accounts.member_of(context, actor)
    with context.store.read() as transaction:
        factor = second_factors.find(transaction, member.id)
    if factor is None or factor.enabled:
        raise Conflict("There is no new secret to confirm. Begin again.")
    holder = second_factor.holder_of(member)
    step = one_time_codes.matching_step(context, holder, factor, one_time_codes.plain(code))
    with recording(context, actor) as record:
        if not second_factors.use_step(record.transaction, member.id, factor.sealed_secret, step):
            raise Conflict("Another secret was made meanwhile. Begin again.")
        second_factors.enable(record.transaction, member.id, context.clock())
        factor_removals.stop_by_use(context, record.transaction, member)
        return _recovery(context, record.transaction, member, device, "second-factor.enabled")


def disable(context: Context, actor: Actor, *, password: str, code: str, device: ClientDevice = NOWHERE) -> Session:
    """Turn the second factor off.

    Raises:
        WrongProof: the password or the code is wrong.
        Conflict: the account has no second factor.
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
    """Replace the recovery codes by ten new ones.

    Raises:
        WrongProof: the password or the code is wrong.
        Conflict: the account has no second factor.
    """
    shown = _shown(context, actor, password, code)
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, device)
        return _recovery(context, record.transaction, shown.member, device, "recovery-codes.made")


def _shown(context: Context, actor: Actor, password: str, code: str) -> FreshProof:
    shown = proof.of_person(context, actor, password, code)
    if shown.code is None or shown.code.factor is None:
        raise Conflict("You have no second factor.")
    return shown


def _recovery(context: Context, transaction: Connection, member: Member, device: ClientDevice, action: str) -> Recovery:
    check_account_trail(context, transaction, member)
    made = one_time_codes.renew_recovery_codes(transaction, second_factor.holder_of(member))
    notices.record(context, transaction, member, action, device)
    return Recovery(made, sessions.start_over(context, transaction, member, device))
