"""Verification of an account's e-mail address by a link in a letter.

An account with an unverified address works, and its page says so. Only tokens, passkeys and a second factor have to
wait for the verification.
"""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.model.errors import Conflict, Unverified
from appliance.model.letters import Letter
from appliance.model.organization import Member
from appliance.model.sentences import sentence
from appliance.service import account_holders, mail, tickets
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.recording import Also, nothing_more, recording
from appliance.service.resets import OPERATOR
from appliance.store import audit, organizations, people
from appliance.store import mail as waiting
from appliance.store.tickets import TicketKind

LETTER = "verification"
AT_SIGN_UP = "new-account"
"""Kind of the first letter, which nobody asked for: whoever signs up may have given a stranger's address."""


def begin(context: Context, transaction: Connection, member: Member) -> None:
    """Queue the letter of a sign-up, if this service sends mail."""
    mail.queue(context, transaction, member.organization_id, AT_SIGN_UP, member.id)


def ask_again(context: Context, actor: Actor) -> None:
    """Queue another letter with a new link, in place of one that waits.

    Raises:
        Conflict: the address is verified.
        NotPossible: this service sends no mail.
    """
    mail.require(context)
    with recording(context, actor) as record:
        member = _unverified(people.by_id(record.transaction, actor.member_id))
        waiting.drop_about(record.transaction, AT_SIGN_UP, member.id)
        mail.queue(context, record.transaction, member.organization_id, LETTER, member.id)
        record.leave_no_entry()


def require(context: Context, member: Member) -> None:
    """Check that a member may create lasting credentials: tokens, passkeys and a second factor.

    A stranger may have signed up with another person's address, and must not keep access after that person took the
    account over. Without mail nothing can be verified, and everybody may.

    Raises:
        Unverified: the address is not verified, and this service sends mail.
    """
    if context.sends_mail and member.verified_at is None:
        raise Unverified("Verify your e-mail address first: by the link in the letter to it, or ask for another one.")


def is_done(context: Context, email: str) -> bool:
    """True if an account has this address, and it is verified."""
    with context.store.read() as transaction:
        member = people.by_email(transaction, email)
    return member is not None and member.verified_at is not None


def compose(context: Context, transaction: Connection, member_id: str) -> Letter | None:
    """Write the letter with a new link (`mail.Composer`)."""
    member = people.by_id(transaction, member_id)
    if member is None or member.verified_at is not None:
        return None
    link = _link(context, tickets.issue(context, transaction, member, TicketKind.VERIFICATION))
    return mail.written(
        member.email,
        member.language,
        sentence("Your e-mail address at MeshWG"),
        sentence("This address was given for an account at MeshWG."),
        sentence("With this link you confirm that it is yours. It is good for three days:"),
        (link,),
        sentence("If you know nothing of it, you need not do anything."),
    )


def issue(context: Context, email: str, also: Also = nothing_more) -> str:
    """Make a link, for the operator to hand over.

    Args:
        also: done in the same transaction.

    Raises:
        Invalid: this is no e-mail address.
        NotFound: nobody has this address.
        Conflict: the address is verified.
    """
    with context.store.write() as transaction:
        member = _unverified(account_holders.find_locked(transaction, email))
        also(transaction)
        token = tickets.issue(context, transaction, member, TicketKind.VERIFICATION)
        audit.record(
            transaction,
            member.organization_id,
            OPERATOR,
            "verification.issued",
            {"person": member.email},
            context.clock(),
        )
    return _link(context, token)


def confirm(context: Context, token: str) -> None:
    """Mark the address of a link as verified.

    Args:
        token: of the link.

    Raises:
        NotFound: the link is not valid.
    """
    with context.store.read() as transaction:
        organization_id = tickets.holder(context, transaction, token, TicketKind.VERIFICATION).organization_id
    with context.store.write() as transaction:
        organizations.lock_for_people(transaction, organization_id)
        member = tickets.use(context, transaction, token, TicketKind.VERIFICATION)
        people.verify(transaction, member.id, context.clock())
        audit.record(transaction, member.organization_id, member.email, "address.verified", {}, context.clock())


def _unverified(member: Member | None) -> Member:
    if member is None:
        raise account_holders.unknown()
    if member.verified_at is not None:
        raise Conflict("This address is verified already.")
    return member


def _link(context: Context, token: str) -> str:
    return f"{context.site}/verify?token={token}"
