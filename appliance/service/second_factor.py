"""The second factor of a member (`one_time_codes`), with the notices that its use gives rise to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from appliance.model.organization import Member
from appliance.service import factor_removals, notices, one_time_codes
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.one_time_codes import CodeHolder, ExaminedCode
from appliance.store import second_factors
from appliance.store.session_table import ClientDevice


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


def holder_of(member: Member) -> CodeHolder:
    """Make the holder of a member's codes."""
    return CodeHolder(member.organization_id, member.id, second_factors.MEMBERS)


def examine(context: Context, member: Member, code: str | None) -> ExaminedCode:
    """Examine a member's code without taking it.

    Raises:
        CodeNeeded: the member has a second factor, and ``code`` is empty or None.
        WrongProof: the code is wrong.
        NotNow: the hub does not answer.
    """
    return one_time_codes.examine(context, holder_of(member), code)


def take(context: Context, transaction: Connection, member: Member, code: ExaminedCode, device: ClientDevice) -> None:
    """Take a code, which permits this transaction and nothing after it.

    Args:
        device: origin of the code.

    Raises:
        WrongProof: the code was taken meanwhile.
        CodeNeeded: a second factor was turned on after the code was examined.
    """
    one_time_codes.take(transaction, holder_of(member), code)
    if code.recovery_hash is not None:
        left = second_factors.recovery_codes_left(transaction, member.id)
        notices.record(context, transaction, member, "recovery-code.used", device, {"left": left})
    if code.factor is not None:
        factor_removals.stop_by_use(context, transaction, member)
