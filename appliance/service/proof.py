"""Fresh proof: somebody who is signed in shows once more that it is them, before a way into their account changes.

A session may be somebody else's by now: a computer that was left open, a cookie that was stolen. What lets in for
longer than a session takes the password again, and a code too where the account has a second factor. Both are looked at
first, which takes a while, and taken in the transaction of what they allow.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from appliance.model.errors import WrongProof
from appliance.model.organization import Member
from appliance.service import passwords, second_factor
from appliance.service.context import Actor, Context
from appliance.store import people
from appliance.store.sessions import ClientDevice


@dataclass(frozen=True)
class Shown:
    """Proof that was looked at and is right.

    Attributes:
        member: the person, with the password hash that the password was compared with.
        code: None where no code is asked for.
    """

    member: Member
    code: second_factor.Proof | None = None


def of_password(context: Context, actor: Actor, password: str) -> Shown:
    """The password alone: for what takes a way in away.

    Raises:
        WrongProof: it is another one.
    """
    with context.store.read() as transaction:
        member = people.by_id(transaction, actor.member_id)
    if not passwords.verify(member.password_hash if member else None, password) or member is None:
        raise WrongProof("This is not your password.", field="password")
    return Shown(member)


def of_person(context: Context, actor: Actor, password: str, code: str | None) -> Shown:
    """All that the account asks for at a log-in: for what makes another way in.

    Raises:
        WrongProof: the password or the code is wrong.
        CodeNeeded: the password is right, the account has a second factor, and there is no code.
        NotNow: the hub, which checks codes, can't be asked.
    """
    member = of_password(context, actor, password).member
    return Shown(member, second_factor.examine(context, member, code))


def take(context: Context, transaction: Connection, shown: Shown, device: ClientDevice) -> None:
    """Takes the proof, which allows what this transaction does and nothing after it.

    Args:
        device: what it was given from.

    Raises:
        WrongProof: the password was changed meanwhile, or the code was taken.
        CodeNeeded: a second factor was turned on meanwhile.
    """
    now = people.by_id(transaction, shown.member.id)
    if now is None or now.password_hash != shown.member.password_hash:
        raise WrongProof("Your password was changed meanwhile.", field="password")
    if shown.code is not None:
        second_factor.take(context, transaction, shown.member, shown.code, device)
