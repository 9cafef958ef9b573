"""The second factor: a one-time code of an authenticator, or one of ten recovery codes.

A code is looked at first, which may take the hub, and then taken in the transaction of whatever it allows: so a code
allows one thing, and what fails costs none.
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
"""A hub that was killed is back by then."""
_DIGITS = 6
_WRONG = "This code is wrong, or it was used already."


@dataclass(frozen=True)
class Proof:
    """What a code that was looked at is worth.

    Attributes:
        factor: what it was compared with; None where the member has no second factor.
        step: the step that it is of, for a code of an authenticator.
        recovery_hash: of a recovery code.
    """

    factor: SecondFactor | None
    step: int | None = None
    recovery_hash: str | None = None


@dataclass(frozen=True)
class FactorState:
    """Whether a code is asked for at log-in, and how many recovery codes are left."""

    enabled: bool
    recovery_codes_left: int


def state(context: Context, actor: Actor) -> FactorState:
    """The actor's second factor as it is."""
    with context.store.read() as transaction:
        factor = second_factors.find(transaction, actor.member_id)
        return FactorState(
            factor is not None and factor.enabled, second_factors.recovery_codes_left(transaction, actor.member_id)
        )


def examine(context: Context, member: Member, code: str | None) -> Proof:
    """Looks at a code, and takes nothing yet.

    Raises:
        CodeNeeded: the member has a second factor, and there is no code.
        WrongProof: the code is wrong.
        NotNow: the hub can't be asked.
    """
    typed = "".join((code or "").split())
    with context.store.read() as transaction:
        factor = second_factors.find(transaction, member.id)
        if factor is None or not factor.enabled:
            return Proof(None)
        if not typed:
            raise _needed()
        if not _is_of_authenticator(typed):
            code_hash = recovery_codes.hash_of(member.id, typed)
            if second_factors.has_recovery_code(transaction, member.id, code_hash):
                return Proof(factor, recovery_hash=code_hash)
            raise _wrong()
    return Proof(factor, step=matching_step(context, member, factor, typed))


def take(context: Context, transaction: Connection, member: Member, proof: Proof, device: ClientDevice) -> None:
    """Takes the code, which allows what this transaction does and nothing after it.

    Args:
        device: what it was given from.

    Raises:
        WrongProof: it was taken meanwhile.
        CodeNeeded: there was no second factor when the code was looked at, and there is one now.
    """
    if proof.step is not None and proof.factor is not None:
        if not second_factors.use_step(transaction, member.id, proof.factor.sealed_secret, proof.step):
            raise _wrong()
    elif proof.recovery_hash is not None:
        if not second_factors.use_recovery_code(transaction, member.id, proof.recovery_hash):
            raise _wrong()
        left = second_factors.recovery_codes_left(transaction, member.id)
        notices.record(context, transaction, member, "recovery-code.used", device, {"left": left})
    else:
        factor = second_factors.find(transaction, member.id)
        if factor is not None and factor.enabled:
            raise _needed()
    if proof.factor is not None:
        factor_removals.stop_by_use(context, transaction, member)


def matching_step(context: Context, member: Member, factor: SecondFactor, code: str) -> int:
    """The step that a code is of, which was not taken yet.

    Raises:
        WrongProof: it is of none.
        NotNow: the hub can't be asked.
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
