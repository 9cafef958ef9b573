"""Operators' accounts: added and removed by commands, set up by a link, used on the pages under ``/operator``.

An operator belongs to no organization, and an account of the same address that does is another one. No session of an
operator begins without a second factor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from appliance.model.emails import check_email
from appliance.model.errors import Conflict, NotFound
from appliance.model.ids import new_id
from appliance.model.sentences import sentence
from appliance.service import invitations, one_time_codes, operator_sessions, passwords, tokens
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.one_time_codes import Proposal
from appliance.service.recording import Also, nothing_more
from appliance.service.sessions import Session
from appliance.store import audit, operations, operators, permits
from appliance.store import invitations as stored_invitations
from appliance.store.operators import Operator, OperatorStanding
from appliance.store.session_table import ClientDevice

LINK_LIFETIME = timedelta(days=1)
MOST = 100
"""Most operators."""
_ISSUER = "MeshWG operator"
_OVER = sentence(
    "This link does not hold: it was used, or its day is over, or the operator was removed. Ask for another one."
)


@dataclass(frozen=True)
class Enrolled:
    """Recovery codes of an operator, shown once, and their first session."""

    codes: list[str] = field(repr=False)
    session: Session


def exist(context: Context) -> bool:
    """True if there is any operator; without one, there are no pages for operators."""
    with context.store.read() as transaction:
        return operators.exist(transaction)


def add(context: Context, email: str, also: Also = nothing_more) -> str:
    """Add an operator, and make a link with which they set up password and second factor; a new link ends the last.

    Args:
        also: done in the same transaction.

    Raises:
        Invalid: this is no e-mail address.
        Conflict: an operator with this address is set up already, or there are `MOST`.
    """
    address, now = check_email(email), context.clock()
    token = tokens.new_token(tokens.INVITATION)
    with context.store.write() as transaction:
        found = operators.by_email(transaction, address)
        if found is None:
            if operators.count(transaction) >= MOST:
                raise Conflict("There are {most} operators, which is the most. Remove one first.", most=MOST)
            found = Operator(new_id(), address, now)
            operators.create(transaction, found)
        elif _is_enrolled(transaction, found):
            raise Conflict("There is an operator with this address. Remove them first, to set them up anew.")
        operators.replace_link(transaction, found.id, tokens.hash_of(token), now + LINK_LIFETIME)
        also(transaction)
    return f"{context.site}/operator/join/{token}"


def all_of(context: Context) -> list[OperatorStanding]:
    """List the operators, oldest first."""
    with context.store.read() as transaction:
        return operators.all_of(transaction)


def remove(context: Context, email: str, also: Also = nothing_more) -> None:
    """Remove an operator; their sessions, and all links that they made, have ended when this returns.

    These are sign-up links, and invitations into organizations, whose audit trails tell of it.

    Args:
        also: done in the same transaction.

    Raises:
        Invalid: this is no e-mail address.
        NotFound: there is no such operator.
    """
    address = check_email(email)
    with context.store.write() as transaction:
        found = operators.by_email(transaction, address)
        if found is None:
            raise NotFound("There is no operator with this address.")
        also(transaction)
        operators.remove(transaction, found.id)
        # After that, as the session that makes a link now holds no more.
        now = context.clock()
        permits.revoke_all(transaction, now, made_by=address)
        for each in stored_invitations.remove_all_of_operator(transaction, address):
            actor, about = Actor.operator(each.organization_id), invitations.revocation_of(each)
            audit.record(transaction, each.organization_id, actor.name, invitations.REVOKED, about, now)


def by_link(context: Context, token: str) -> Operator:
    """Find the operator of a link.

    Raises:
        NotFound: the link does not hold, or not any more.
    """
    with context.store.read() as transaction:
        return _linked(context, transaction, token)


def propose(context: Context, token: str, password: str) -> Proposal:
    """Choose the password of a new operator, and create a secret for their second factor; `enrol` takes a code of it.

    Raises:
        NotFound: the link does not hold.
        Invalid: the password is not acceptable.
        NotNow: the hub, which seals the secret, does not answer.
    """
    operator = by_link(context, token)
    password_hash = passwords.hash_password(passwords.check_new(password, about=(operator.email,)))
    made = one_time_codes.new_secret(context, operator_sessions.holder_of(operator))
    with context.store.write() as transaction:
        _locked(context, transaction, token, operator)
        operators.change_password_hash(transaction, operator.id, password_hash)
        operators.factors.propose(transaction, operator.id, made.sealed)
    return Proposal.of(made.secret, operator.email, _ISSUER)


def proposed(context: Context, token: str, secret: str) -> Proposal | None:
    """Make the pending proposal again, to show it once more after a wrong code.

    Args:
        secret: as the page sent it back.

    Returns:
        None if no secret is pending, or another one.

    Raises:
        NotFound: the link does not hold.
    """
    operator = by_link(context, token)
    if not one_time_codes.is_proposed(context, operator_sessions.holder_of(operator), secret):
        return None
    return Proposal.of(secret, operator.email, _ISSUER)


def enrol(context: Context, token: str, code: str, device: ClientDevice) -> Enrolled:
    """Turn the proposed second factor on, use the link up, and open the operator's first session.

    Raises:
        NotFound: the link does not hold.
        WrongProof: the code is not of the secret that was proposed last.
        Conflict: no secret is pending.
    """
    operator = by_link(context, token)
    holder = operator_sessions.holder_of(operator)
    with context.store.read() as transaction:
        factor = operators.factors.find(transaction, operator.id)
    if factor is None:
        raise Conflict("There is no secret to confirm. Begin again with the link.")
    step = one_time_codes.matching_step(context, holder, factor, one_time_codes.plain(code))
    with context.store.write() as transaction:
        _locked(context, transaction, token, operator)
        if not operators.use_link(transaction, tokens.hash_of(token)):
            raise NotFound(_OVER)
        if not operators.factors.use_step(transaction, operator.id, factor.sealed_secret, step):
            raise Conflict("Another secret was made meanwhile. Begin again with the link.")
        operators.factors.enable(transaction, operator.id, context.clock())
        operator_sessions.note(context, transaction, operator, operations.OPERATOR_ENROLLED)
        codes = one_time_codes.renew_recovery_codes(transaction, holder)
        return Enrolled(codes, operator_sessions.begin(context, transaction, operator, device))


def _linked(context: Context, transaction: Connection, token: str) -> Operator:
    found = operators.by_link(transaction, tokens.hash_of(token), context.clock())
    if found is None:
        raise NotFound(_OVER)
    return found


def _locked(context: Context, transaction: Connection, token: str, operator: Operator) -> None:
    if operators.find_locked(transaction, operator.id) is None:
        raise NotFound(_OVER)
    _linked(context, transaction, token)


def _is_enrolled(transaction: Connection, operator: Operator) -> bool:
    factor = operators.factors.find(transaction, operator.id)
    return factor is not None and factor.enabled
