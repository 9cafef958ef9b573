"""Password reset by a link that is valid once, for an hour.

A request does not reveal whether an address has an account: it is noted in the same way for every address, and looked
into later by the thread that sends mail.
"""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.model.emails import check_email
from appliance.model.errors import NotFound
from appliance.model.letters import Letter
from appliance.model.organization import Member
from appliance.model.sentences import sentence
from appliance.service import account_holders, mail, notices, passwords, tickets, ways_in
from appliance.service.context import Context
from appliance.service.recording import Also, nothing_more
from appliance.service.sessions import NOWHERE
from appliance.store import audit, organizations, people, resets, second_factors
from appliance.store.session_table import ClientDevice
from appliance.store.tickets import TicketKind

OPERATOR = "operator"
SOMEBODY = "somebody"
"""Actor of a requested link in the audit trail, as anybody may ask for one."""
LETTER = "reset"


def ask(context: Context, email: str) -> None:
    """Note a request for a link to this address.

    Raises:
        Invalid: this is no e-mail address.
        NotPossible: this service sends no mail.
    """
    address = check_email(email)
    mail.require(context)
    with context.store.write() as transaction:
        resets.note(transaction, address, context.clock())


def answer_all(context: Context) -> None:
    """Queue the requested letters, for addresses that have an account."""
    with context.store.read() as transaction:
        if not resets.are_any(transaction):
            return
    with context.store.write() as transaction:
        for email in resets.take_all(transaction):
            member = people.by_email(transaction, email)
            if member is not None:
                mail.queue(context, transaction, member.organization_id, LETTER, member.id)


def compose(context: Context, transaction: Connection, member_id: str) -> Letter | None:
    """Write the letter with a new link (`mail.Composer`)."""
    member = people.by_id(transaction, member_id)
    if member is None:
        return None
    organizations.lock_for_people(transaction, member.organization_id)
    link = _link(context, tickets.issue(context, transaction, member, TicketKind.MAILED_RESET))
    audit.record(transaction, member.organization_id, SOMEBODY, "reset.sent", {"person": member.email}, context.clock())
    return mail.written(
        member.email,
        member.language,
        sentence("Another password for MeshWG"),
        sentence("Somebody, hopefully you, asked for another password for your account at MeshWG."),
        sentence("With this link you choose one. It is good once, and for an hour:"),
        (link,),
        sentence("If you did not ask, you need not do anything: your password stays as it is."),
    )


def issue(context: Context, email: str, also: Also = nothing_more) -> str:
    """Make a link, for the operator to hand over to a person that they know.

    Args:
        also: done in the same transaction.

    Raises:
        Invalid: this is no e-mail address.
        NotFound: nobody has this address.
    """
    with context.store.write() as transaction:
        member = account_holders.find_locked(transaction, email)
        also(transaction)
        token = tickets.issue(context, transaction, member, TicketKind.RESET)
        audit.record(
            transaction, member.organization_id, OPERATOR, "reset.issued", {"person": member.email}, context.clock()
        )
    return _link(context, token)


def complete(context: Context, token: str, new_password: str, device: ClientDevice = NOWHERE) -> None:
    """Replace the password, and end the account's sessions, API tokens and passkeys; the link is used up.

    The second factor stays and is asked for at the next log-in, since access to mail is only one factor. A link from a
    letter also verifies the address. If it was unverified until now, the second factor may be a stranger's, and is
    removed.

    Args:
        token: of the link.

    Raises:
        NotFound: the link is not valid.
        Invalid: the password is not acceptable; the link stays valid.
    """
    with context.store.read() as transaction:
        member, kind = _holder(context, transaction, token)
        organization = organizations.find(transaction, member.organization_id)
    known = (member.email, organization.name if organization else "")
    new_hash = passwords.hash_password(passwords.check_new(new_password, about=known))
    with context.store.write() as transaction:
        organizations.lock_for_people(transaction, member.organization_id)
        member = tickets.use(context, transaction, token, kind)
        people.change_password_hash(transaction, member.id, new_hash)
        ended = ways_in.end(transaction, member)
        if kind is TicketKind.MAILED_RESET and member.verified_at is None:
            if second_factors.find(transaction, member.id) is not None:
                ended["second_factor"] = "removed"
            second_factors.remove(transaction, member.id)
            people.verify(transaction, member.id, context.clock())
        notices.record(context, transaction, member, "password.reset", device, ended)


def _holder(context: Context, transaction: Connection, token: str) -> tuple[Member, TicketKind]:
    try:
        return tickets.holder(context, transaction, token, TicketKind.MAILED_RESET), TicketKind.MAILED_RESET
    except NotFound:
        return tickets.holder(context, transaction, token, TicketKind.RESET), TicketKind.RESET


def _link(context: Context, token: str) -> str:
    return f"{context.site}/reset?token={token}"
