"""The second factor: a one-time code of an authenticator, or one of ten recovery codes.

A code is examined first, which may need the hub, and then taken in the transaction that it permits. So a code permits
one action, and a failed action uses up no code.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.errors import CodeNeeded, NotNow, WrongProof
from appliance.model.organization import Member
from appliance.service import factor_removals, notices, recovery_codes
from appliance.service.context import Actor, Context
from appliance.store import second_factors
from appliance.store.second_factors import SecondFactor
from appliance.store.sessions import ClientDevice

RETRY_AFTER_S = 5
"""Seconds after which a killed hub answers again."""
_DIGITS = 6
_WRONG = "This code is wrong, or it was used already."


@dataclass(frozen=True)
class ExaminedCode:
    """A code that was examined and is not taken yet.

    Attributes:
        factor: the second factor that it was compared with; None if the member has none.
        step: time step of an authenticator's code.
        recovery_hash: hash of a recovery code.
    """

    factor: SecondFactor | None
    step: int | None = None
    recovery_hash: str | None = None


@dataclass(frozen=True)
class FactorState:
    """State of a member's second factor."""

    enabled: bool
    recovery_codes_left: int


def state(context: Context, actor: Actor) -> FactorState:
    """Read the state of the actor's second factor."""
    with context.store.read() as transaction:
        factor = second_factors.find(transaction, actor.member_id)
        return FactorState(
            factor is not None and factor.enabled, second_factors.recovery_codes_left(transaction, actor.member_id)
        )


def examine(context: Context, member: Member, code: str | None) -> ExaminedCode:
    """Examine a code without taking it.

    Raises:
        CodeNeeded: the member has a second factor, and ``code`` is empty or None.
        WrongProof: the code is wrong.
        NotNow: the hub does not answer.
    """
    typed = "".join((code or "").split())
    with context.store.read() as transaction:
        factor = second_factors.find(transaction, member.id)
        if factor is None or not factor.enabled:
            return ExaminedCode(None)
        if not typed:
            raise _needed()
        if not _is_of_authenticator(typed):
            code_hash = recovery_codes.hash_of(member.id, typed)
            if second_factors.has_recovery_code(transaction, member.id, code_hash):
                return ExaminedCode(factor, recovery_hash=code_hash)
            raise _wrong()
    return ExaminedCode(factor, step=matching_step(context, member, factor, typed))


def take(context: Context, transaction: Connection, member: Member, code: ExaminedCode, device: ClientDevice) -> None:
    """Take a code, which permits this transaction and nothing after it.

    Args:
        device: origin of the code.

    Raises:
        WrongProof: the code was taken meanwhile.
        CodeNeeded: a second factor was turned on after the code was examined.
    """
    if code.step is not None and code.factor is not None:
        if not second_factors.use_step(transaction, member.id, code.factor.sealed_secret, code.step):
            raise _wrong()
    elif code.recovery_hash is not None:
        if not second_factors.use_recovery_code(transaction, member.id, code.recovery_hash):
            raise _wrong()
        left = second_factors.recovery_codes_left(transaction, member.id)
        notices.record(context, transaction, member, "recovery-code.used", device, {"left": left})
    else:
        factor = second_factors.find(transaction, member.id)
        if factor is not None and factor.enabled:
            raise _needed()
    if code.factor is not None:
        factor_removals.stop_by_use(context, transaction, member)


def matching_step(context: Context, member: Member, factor: SecondFactor, code: str) -> int:
    """Find the time step of an authenticator's code.

    Raises:
        WrongProof: the code is wrong, or a code of this step or a later one was taken.
        NotNow: the hub does not answer.
    """
    try:
        step = context.hub.match_code(
            member.organization_id, member.id, factor.sealed_secret, code, context.clock().timestamp()
        )
    except HubError as error:
        raise NotNow("The hub is not there to check the code. Try again soon.", retry_after=RETRY_AFTER_S) from error
    if step is None or step <= factor.last_step:
        raise _wrong()
    return step


def _is_of_authenticator(typed: str) -> bool:
    return len(typed) == _DIGITS and typed.isascii() and typed.isdigit()


def _wrong() -> WrongProof:
    return WrongProof(_WRONG, field="code")


def _needed() -> CodeNeeded:
    return CodeNeeded("Your account has a second factor: give a code of it too.", field="code")
