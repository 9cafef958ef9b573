"""Log-in with a password, and a code if the account has a second factor."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from appliance.model import emails
from appliance.model.errors import CodeNeeded, NotFound, Unauthenticated, WrongProof
from appliance.model.organization import Member
from appliance.model.sentences import sentence
from appliance.service import passwords, second_factor, sessions, tickets
from appliance.service.context import Context
from appliance.service.one_time_codes import ExaminedCode
from appliance.service.recording import record_sign_in
from appliance.service.sessions import NOWHERE, Session
from appliance.store import organizations, people
from appliance.store.session_table import ClientDevice
from appliance.store.tickets import TicketKind

_WRONG = sentence("The e-mail address or the password is wrong.")


class CodePending(CodeNeeded):
    """The password was right and a code is missing; `complete` takes ticket and code, within five minutes.

    Attributes:
        ticket: stands for the password.
    """

    def __init__(self, needed: CodeNeeded, ticket: str) -> None:
        super().__init__(needed.sentence, field=needed.field)
        self.ticket = ticket


def log_in(
    context: Context, *, email: str, password: str, code: str | None = None, device: ClientDevice = NOWHERE
) -> Session:
    """Open a session.

    Raises:
        Unauthenticated: there is no such account, or the password or the code is wrong.
        CodeNeeded: the password is right, the account has a second factor, and ``code`` is None.
        TooMany: the member has signed in again and again (`check_account_trail`).
    """
    member = _proven(context, email, password)
    return _open(context, member, _examined(context, member, code), device)


def start(context: Context, *, email: str, password: str, device: ClientDevice = NOWHERE) -> Session:
    """Open a session, or begin a log-in with a code.

    Raises:
        Unauthenticated: there is no such account, or the password is wrong.
        CodePending: the password is right, and the account has a second factor.
        TooMany: the member has signed in again and again (`check_account_trail`).
    """
    member = _proven(context, email, password)
    try:
        return _open(context, member, second_factor.examine(context, member, None), device)
    except CodeNeeded as needed:
        with context.store.write() as transaction:
            _still_proven(transaction, member)
            ticket = tickets.issue(context, transaction, member, TicketKind.LOG_IN)
        raise CodePending(needed, ticket) from None


def pending_member(context: Context, ticket: str) -> Member:
    """Find the member of a log-in that waits for its code.

    Raises:
        Unauthenticated: the log-in took too long, or has ended.
    """
    try:
        with context.store.read() as transaction:
            return tickets.holder(context, transaction, ticket, TicketKind.LOG_IN)
    except NotFound:
        raise _begin_again() from None


def complete(context: Context, ticket: str, *, code: str, device: ClientDevice = NOWHERE) -> Session:
    """Complete a log-in with a code, and open its session.

    Raises:
        Unauthenticated: the log-in took too long, or has ended; or the code is wrong, and another may be tried.
        CodeNeeded: the code is empty.
        TooMany: the member has signed in again and again (`check_account_trail`).
    """
    member = pending_member(context, ticket)
    return _open(context, member, _examined(context, member, code), device, ticket)


def _proven(context: Context, email: str, password: str) -> Member:
    with context.store.read() as transaction:
        member = people.by_email(transaction, emails.canonical(email))
    if not passwords.verify(member.password_hash if member else None, password) or member is None:
        raise Unauthenticated(_WRONG)
    if passwords.is_outdated(member.password_hash):
        fresh = passwords.hash_password(password)
        with context.store.write() as transaction:
            _still_proven(transaction, member)
            people.change_password_hash(transaction, member.id, fresh)
        return replace(member, password_hash=fresh)
    return member


def _examined(context: Context, member: Member, code: str | None) -> ExaminedCode:
    try:
        return second_factor.examine(context, member, code)
    except WrongProof as error:
        raise Unauthenticated(error.sentence, field=error.field) from error


def _open(
    context: Context, member: Member, code: ExaminedCode, device: ClientDevice, ticket: str | None = None
) -> Session:
    with context.store.write() as transaction:
        organizations.lock_for_people(transaction, member.organization_id)
        _still_proven(transaction, member)
        try:
            second_factor.take(context, transaction, member, code, device)
            if ticket is not None:
                tickets.use(context, transaction, ticket, TicketKind.LOG_IN)
        except WrongProof as error:
            raise Unauthenticated(error.sentence, field=error.field) from error
        except NotFound:
            raise _begin_again() from None
        record_sign_in(context, transaction, member, device)
        return sessions.begin(context, transaction, member, device)


def _still_proven(transaction: Connection, member: Member) -> None:
    """Check that the password was not changed while it was being verified."""
    now = people.by_id(transaction, member.id)
    if now is None or now.password_hash != member.password_hash:
        raise Unauthenticated(_WRONG)


def _begin_again() -> Unauthenticated:
    return Unauthenticated("That took too long. Begin again with your password.")
