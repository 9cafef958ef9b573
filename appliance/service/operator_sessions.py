"""Sessions of operators: opened with password and code together, and shorter than members'."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from appliance.model import emails
from appliance.model.errors import CodeNeeded, Unauthenticated, Unavailable, WrongProof
from appliance.model.ids import OPERATORS
from appliance.model.sentences import sentence
from appliance.service import credentials, one_time_codes, passwords, tokens
from appliance.service.context import Context
from appliance.service.credentials import Credential, CredentialKind
from appliance.service.one_time_codes import CodeHolder
from appliance.service.sessions import Session
from appliance.store import operations, operators
from appliance.store.operations import OperatorCommand
from appliance.store.operators import Operator
from appliance.store.session_table import ClientDevice

IDLE = credentials.OPERATOR_IDLE
ABSOLUTE = timedelta(hours=8)
MOST_OF_ONE = 10
"""Most sessions of an operator; beyond, a new session ends the least recently used one."""
_NOTED_EVERY = timedelta(minutes=1)
_WRONG = sentence("The e-mail address, the password or the code is wrong.")
_ENDED = sentence("This session has ended. Sign in again.")


@dataclass(frozen=True)
class SignedOperator:
    """An operator with a session.

    Attributes:
        token: of the session.
    """

    operator: Operator
    token: str = field(repr=False)

    @property
    def credential(self) -> Credential:
        """The session, which a change checks again when it commits."""
        return Credential(CredentialKind.OPERATOR, tokens.hash_of(self.token))


def log_in(context: Context, *, email: str, password: str, code: str, device: ClientDevice) -> Session:
    """Open a session. The answer does not tell which part is wrong.

    Raises:
        Unauthenticated: there is no such operator, they are not set up, or password or code is wrong.
        NotNow: the hub, which checks the code, does not answer.
    """
    with context.store.read() as transaction:
        operator = operators.by_email(transaction, emails.canonical(email))
    known = None if operator is None else operator.password_hash
    if not passwords.verify(known, password) or operator is None:
        raise Unauthenticated(_WRONG)
    holder = holder_of(operator)
    try:
        examined = one_time_codes.examine(context, holder, code)
        # Who is not set up yet has no second factor, and gets no session.
        if examined.factor is None:
            raise Unauthenticated(_WRONG)
        with context.store.write() as transaction:
            # Removed, or set up anew, while the password was verified.
            if operators.find_locked(transaction, operator.id) != operator:
                raise Unauthenticated(_WRONG)
            one_time_codes.take(transaction, holder, examined)
            note(context, transaction, operator, operations.OPERATOR_SIGNED_IN)
            return begin(context, transaction, operator, device)
    except (WrongProof, CodeNeeded):
        raise Unauthenticated(_WRONG) from None


def begin(context: Context, transaction: Connection, operator: Operator, device: ClientDevice) -> Session:
    """Open a session of an operator; it is valid once the transaction has committed."""
    token, now = tokens.new_token(tokens.OPERATOR), context.clock()
    session = Session(token, now + ABSOLUTE)
    operators.sessions.forget_ended(transaction, now, now - IDLE)
    operators.sessions.keep_latest(transaction, operator.id, MOST_OF_ONE - 1)
    operators.sessions.create(transaction, operator.id, tokens.hash_of(token), device, now, session.expires_at)
    return session


def holder(context: Context, token: str, *, is_use: bool = True) -> SignedOperator:
    """Find the operator of a session, and note that the session is in use.

    Args:
        is_use: False for a request that a page makes by itself, which does not keep the session alive.

    Raises:
        Unauthenticated: there is no such session, or it has ended.
    """
    now, token_hash = context.clock(), tokens.hash_of(token)
    with context.store.read() as transaction:
        found = operators.by_session(transaction, token_hash, now, now - IDLE)
    if found is None:
        raise Unauthenticated(_ENDED)
    operator, seen = found
    if is_use and now - seen > _NOTED_EVERY:
        # Reading goes on while the disk is full.
        with suppress(Unavailable), context.store.write() as transaction:
            operators.sessions.touch(transaction, token_hash, now)
    return SignedOperator(operator, token)


def log_out(context: Context, token: str) -> None:
    """End the session of a token."""
    with context.store.write() as transaction:
        operators.sessions.close(transaction, tokens.hash_of(token))


def permit(context: Context, who: SignedOperator, code: str | None) -> Callable[[Connection], None]:
    """Examine a fresh code, for a change in an organization's name: a session may be in other hands.

    Returns:
        Takes the code, in the transaction of the change that it permits.

    Raises:
        CodeNeeded: ``code`` is empty or None.
        WrongProof: the code is wrong, or was used.
        Unauthenticated: the operator was removed meanwhile.
        NotNow: the hub, which checks the code, does not answer.
    """
    code_holder = holder_of(who.operator)
    examined = one_time_codes.examine(context, code_holder, code)
    if examined.factor is None:
        raise Unauthenticated(_ENDED)
    return lambda transaction: one_time_codes.take(transaction, code_holder, examined)


def holder_of(operator: Operator) -> CodeHolder:
    """Make the holder of an operator's codes."""
    return CodeHolder(OPERATORS, operator.id, operators.factors)


def note(context: Context, transaction: Connection, operator: Operator, action: str) -> None:
    """Record in the log of operations that an operator signs in or is set up."""
    operations.record(transaction, OperatorCommand(context.clock(), operator.email, action, {}))


def note_act(
    context: Context, transaction: Connection, who: SignedOperator, action: str, detail: dict[str, Any] | None = None
) -> None:
    """Record an act on the pages, in the transaction that does it, if the operator's session still holds.

    Args:
        detail: further facts for the log of operations.

    Raises:
        Unauthenticated: the session has ended meanwhile.
    """
    if credentials.role_of(transaction, who.credential, context.clock(), locked=True) is None:
        raise Unauthenticated("Your session has ended meanwhile, and nothing was changed. Sign in again.")
    operations.record(transaction, OperatorCommand(context.clock(), who.operator.email, action, detail or {}))
