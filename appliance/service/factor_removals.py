"""Removal of a lost second factor and lost passkeys: begun by the operator, in effect three days later.

The operator can't tell whether the request comes from the account's person. So letters tell the person and the owners,
and during these days any owner can stop the removal; using the second factor or a passkey stops it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from appliance.model.errors import Conflict, NotFound
from appliance.model.letters import Letter
from appliance.model.organization import AuditEntry, Member, Role
from appliance.model.sentences import sentence
from appliance.service import account_holders, sessions
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.mail import Part, written
from appliance.service.recording import Also, nothing_more, recording
from appliance.service.resets import OPERATOR
from appliance.store import audit, factor_removals, mail, members, organizations, passkeys, people, second_factors
from appliance.store.factor_removals import FactorRemoval

log = structlog.get_logger()

DELAY = timedelta(hours=72)
"""Time until a removal takes effect: longer than a weekend without reading mail."""
LETTER = "factor-removal"
MOST_OWNERS = 100
"""Most owners that get a letter, beside the person."""
BEGUN = "factor-removal.begun"
STOPPED = "factor-removal.stopped"
DONE = "factor-removal.done"
DUE_FORMAT = "%Y-%m-%d %H:%M UTC"
"""Form of the moment in an entry's fact ``due``."""

_AT_ONCE = 100


def begin(context: Context, email: str, also: Also = nothing_more) -> FactorRemoval:
    """Begin the removal for an account, on the operator's decision.

    Args:
        also: done in the same transaction.

    Raises:
        NotFound: nobody has this address.
        Conflict: the account has neither a second factor nor a passkey, the removal has begun already, or the
            organization is suspended.
    """
    with context.store.write() as transaction:
        member = account_holders.find_locked(transaction, email)
        organization = organizations.find(transaction, member.organization_id)
        if organization is not None and organization.suspended_at is not None:
            raise Conflict("The organization is suspended, so nobody of it could stop this. Resume it first.")
        present = factor_removals.find(transaction, member.id)
        if present is not None:
            raise Conflict(
                "The removal has begun already, and takes effect at {due_at:%Y-%m-%d %H:%M UTC}.", due_at=present.due_at
            )
        if not _has_second_factor(transaction, member) and not passkeys.of_member(transaction, member.id):
            raise Conflict("This account has neither a second factor nor passkeys: its password alone opens it.")
        also(transaction)
        now = _present(context, transaction, member)
        factor_removals.begin(transaction, member.id, now, now + DELAY)
        _notify(context, transaction, member, OPERATOR, BEGUN, {"due": f"{now + DELAY:{DUE_FORMAT}}"})
        return FactorRemoval(member.id, member.organization_id, member.email, now, now + DELAY)


def stop_as_operator(context: Context, email: str, also: Also = nothing_more) -> None:
    """Stop a removal, on the operator's decision.

    Args:
        also: done in the same transaction.

    Raises:
        NotFound: nobody has this address, or nothing is being removed.
    """
    with context.store.write() as transaction:
        member = account_holders.find_locked(transaction, email)
        if not _stop(context, transaction, member, OPERATOR):
            raise _nothing_waits()
        also(transaction)


def stop(context: Context, actor: Actor, member_id: str) -> None:
    """Stop the removal for a member of the actor's organization.

    Raises:
        Forbidden: the actor is no owner.
        NotFound: there is no such member, or nothing is being removed.
    """
    actor.must_own()
    with recording(context, actor) as record:
        member = people.by_id(record.transaction, member_id)
        if member is None or member.organization_id != actor.organization_id:
            raise account_holders.no_such_member()
        if not _stop(context, record.transaction, member, actor.name):
            raise _nothing_waits()


def stop_by_use(context: Context, transaction: Connection, member: Member) -> None:
    """Stop a member's removal, as the member has just used or added a second factor or passkey."""
    _stop(context, transaction, member, member.email)


def waiting(context: Context, actor: Actor) -> Sequence[FactorRemoval]:
    """List the pending removals of the actor's organization."""
    actor.must_own()
    with context.store.read() as transaction:
        return factor_removals.waiting(transaction, actor.organization_id)


def own(context: Context, actor: Actor) -> FactorRemoval | None:
    """Find the pending removal for the actor's own account."""
    with context.store.read() as transaction:
        return factor_removals.find(transaction, actor.member_id)


def finish_due(context: Context) -> int:
    """Carry out the removals that are due, including those that became due while no service ran.

    Returns:
        Number of accounts that lost something.
    """
    now, finished = context.removal_time(), 0
    with context.store.read() as transaction:
        found = factor_removals.due(transaction, now, _AT_ONCE)
    for each in found:
        with context.store.write() as transaction:
            finished += _finish(context, transaction, each.member_id, each.organization_id, now)
    return finished


def forget_letters(context: Context) -> None:
    """Drop letters that an operator's command has queued, if this service sends no mail."""
    if not context.sends_mail:
        with context.store.read() as transaction:
            if not mail.has_kind(transaction, LETTER):
                return
        with context.store.write() as transaction:
            mail.drop_kind(transaction, LETTER)


def compose(context: Context, transaction: Connection, about: str) -> Letter | None:
    """Write the letter to one recipient about an entry of the audit trail; None if it is outdated."""
    number, _, recipient_id = about.partition(" ")
    entry, recipient = audit.find(transaction, int(number)), people.by_id(transaction, recipient_id)
    if entry is None or recipient is None:
        return None
    person = str(entry.detail["person"])
    if recipient.role is not Role.OWNER and recipient.email != person:
        return None
    due = None
    if entry.action == BEGUN:
        subject = people.by_email(transaction, person)
        due = factor_removals.find(transaction, subject.id) if subject else None
        if due is None:
            return None
    parts = _parts(context, entry, due)
    return written(recipient.email, recipient.language, sentence("A lost second factor at MeshWG"), *parts)


def _parts(context: Context, entry: AuditEntry, due: FactorRemoval | None) -> Iterator[Part]:
    """Write the parts of a letter about an entry.

    Args:
        due: the removal that waits; None if none does.
    """
    account = sentence("Account: {email}", email=entry.detail["person"])
    when = sentence("When: {at}", at=entry.at)
    if due is not None:
        yield sentence(
            "Somebody told the operator of this service that the second factor of an account is lost. The operator has "
            "begun its removal:"
        )
        begun = sentence("Begun: {at}", at=entry.at)
        yield account, begun, sentence("Takes effect: {at}", at=due.due_at)
        yield sentence(
            "From then on the account has no second factor and no passkeys, and its password alone opens it. If the "
            "person has lost nothing, it is to be stopped: they sign in with a code, a recovery code or a passkey, or "
            "an owner stops it here:"
        )
        yield (f"{context.site}/login?next=/settings/people",)
    elif entry.action == STOPPED:
        if entry.actor == OPERATOR:
            yield sentence(
                "The removal of an account's second factor and passkeys was stopped by the operator of this service. "
                "Nothing was removed."
            )
        else:
            yield sentence(
                "The removal of an account's second factor and passkeys was stopped by {person}. Nothing was removed.",
                person=entry.actor,
            )
        yield account, when
    else:
        yield sentence(
            "The second factor and the passkeys of an account were removed, as the operator of this service was told "
            "that they are lost. The account's password alone opens it now, and every session of it has ended."
        )
        yield account, when
        yield sentence(
            "The person should sign in and set up another second factor. If nobody has lost anything, choose another "
            "password here:"
        )
        yield (f"{context.site}/forgotten",)


def _has_second_factor(transaction: Connection, member: Member) -> bool:
    factor = second_factors.find(transaction, member.id)
    return factor is not None and factor.enabled


def _present(context: Context, transaction: Connection, member: Member) -> datetime:
    """Get the later of the present time and the trail's last entry: a clock set back must not shorten the delay."""
    now = context.clock()
    return max(now, audit.latest_moment(transaction, member.organization_id) or now)


def _stop(context: Context, transaction: Connection, member: Member, actor: str) -> bool:
    if not factor_removals.drop(transaction, member.id):
        return False
    _notify(context, transaction, member, actor, STOPPED, {})
    return True


def _finish(context: Context, transaction: Connection, member_id: str, organization_id: str, now: datetime) -> bool:
    organizations.lock_for_people(transaction, organization_id)
    member = people.by_id(transaction, member_id)
    # It was stopped, restarted or postponed meanwhile.
    if member is None or not factor_removals.is_due(transaction, member_id, now):
        return False
    factor_removals.drop(transaction, member_id)
    facts = {
        "second_factor_removed": _has_second_factor(transaction, member),
        "passkeys_removed": passkeys.remove_all(transaction, member_id),
    }
    if not any(facts.values()):
        return False
    second_factors.remove(transaction, member_id)
    sessions.end_every(transaction, member)
    _notify(context, transaction, member, OPERATOR, DONE, facts)
    log.info("a lost second factor was removed", organization=organization_id)
    return True


def _notify(
    context: Context, transaction: Connection, member: Member, actor: str, action: str, facts: dict[str, Any]
) -> None:
    """Record an entry in the audit trail, and queue letters to the person and the owners.

    Letters are queued also without a relay: an operator's command does not know the service's relay.
    """
    now, organization_id = context.clock(), member.organization_id
    entry = audit.record(transaction, organization_id, actor, action, {"person": member.email, **facts}, now)
    owners = members.ids_in_role(transaction, organization_id, Role.OWNER, MOST_OWNERS)
    for recipient in dict.fromkeys((member.id, *owners)):
        mail.queue(transaction, organization_id, LETTER, f"{entry} {recipient}", now)


def _nothing_waits() -> NotFound:
    return NotFound("No second factor or passkey of this account is being removed.")
