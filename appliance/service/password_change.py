"""Another password, by whoever knows the present one."""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.model.errors import WrongProof
from appliance.model.organization import Member
from appliance.service import notices, organizations, passwords, sessions
from appliance.service.sessions import NOWHERE, Session
from appliance.service.workplace import Actor, Workplace
from appliance.store import people
from appliance.store.sessions import Device


def confirm(workplace: Workplace, actor: Actor, password: str) -> Member:
    """The actor, who has just shown to know their password.

    Raises:
        WrongProof: it is another one.
    """
    with workplace.store.read() as transaction:
        member = people.by_id(transaction, actor.member_id)
    if not passwords.verify(member.password_hash if member else None, password) or member is None:
        raise WrongProof("This is not your password.", field="password")
    return member


def still_holds(transaction: Connection, member: Member) -> None:
    """Raises `WrongProof` where the password that was confirmed is not the member's any more."""
    now = people.by_id(transaction, member.id)
    if now is None or now.password_hash != member.password_hash:
        raise WrongProof("Your password was changed meanwhile.", field="password")


def change(
    workplace: Workplace, actor: Actor, *, password: str, new_password: str, device: Device = NOWHERE
) -> Session:
    """Another password. Every session ends, and the one that this gives takes their place.

    Raises:
        WrongProof: ``password`` is not the present one.
        Invalid: the new one may not be chosen.
    """
    member = confirm(workplace, actor, password)
    about = (member.email, organizations.get(workplace, actor).name)
    new_hash = passwords.hash_password(passwords.check_new(new_password, about=about, field="new_password"))
    with workplace.store.write() as transaction:
        still_holds(transaction, member)
        people.change_password_hash(transaction, member.id, new_hash)
        notices.record(workplace, transaction, member, "password.changed")
        return sessions.start_over(workplace, transaction, member, device)
