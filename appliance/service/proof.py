"""Fresh proof of identity, which a signed-in member gives before the access to their account changes.

A session may be in other hands: a computer was left open, a cookie was stolen. So anything that gives access for longer
than a session takes the password again, and a code if the account has a second factor. Both are examined first, which
is slow, and taken in the transaction that they permit.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from appliance.model.errors import WrongProof
from appliance.model.organization import Member
from appliance.service import passwords, second_factor
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.one_time_codes import ExaminedCode
from appliance.store import people
from appliance.store.session_table import ClientDevice


@dataclass(frozen=True)
class FreshProof:
    """Examined proof, not taken yet.

    Attributes:
        member: with the password hash that the password was compared with.
        code: None if the action needs no code.
    """

    member: Member
    code: ExaminedCode | None = None


def of_password(context: Context, actor: Actor, password: str) -> FreshProof:
    """Verify the password alone, for actions that revoke access.

    Raises:
        WrongProof: the password is wrong.
    """
    with context.store.read() as transaction:
        member = people.by_id(transaction, actor.member_id)
    if not passwords.verify(member.password_hash if member else None, password) or member is None:
        raise WrongProof("This is not your password.", field="password")
    return FreshProof(member)


def of_person(context: Context, actor: Actor, password: str, code: str | None) -> FreshProof:
    """Verify password and code as a log-in does, for actions that give access.

    Raises:
        WrongProof: the password or the code is wrong.
        CodeNeeded: the password is right, the account has a second factor, and ``code`` is None.
        NotNow: the hub, which checks codes, does not answer.
    """
    member = of_password(context, actor, password).member
    return FreshProof(member, second_factor.examine(context, member, code))


def take(context: Context, transaction: Connection, shown: FreshProof, device: ClientDevice) -> None:
    """Take the proof, which permits this transaction and nothing after it.

    Args:
        device: origin of the proof.

    Raises:
        WrongProof: the password was changed meanwhile, or the code was used.
        CodeNeeded: a second factor was turned on meanwhile.
    """
    now = people.by_id(transaction, shown.member.id)
    if now is None or now.password_hash != shown.member.password_hash:
        raise WrongProof("Your password was changed meanwhile.", field="password")
    if shown.code is not None:
        second_factor.take(context, transaction, shown.member, shown.code, device)
