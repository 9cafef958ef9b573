"""Getting a second factor, and giving it up; either ends every session but a new one of who asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.errors import Conflict, NotNow
from appliance.model.organization import Member
from appliance.service import accounts, notices, password_change, recovery_codes, second_factor, sessions
from appliance.service.sessions import NOWHERE, Session
from appliance.service.workplace import Actor, Workplace
from appliance.store import second_factors
from appliance.store.sessions import Device
from appliance.vault import codes

ISSUER = "MeshWG"


@dataclass(frozen=True)
class Proposal:
    """A secret for an authenticator, shown once.

    Attributes:
        secret: in base32.
        uri: the same with the account's name, for a QR code.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True)
class Recovery:
    """New recovery codes, shown once, and the session that takes the place of all others."""

    codes: list[str] = field(repr=False)
    session: Session


def propose(workplace: Workplace, actor: Actor, *, password: str) -> Proposal:
    """A fresh secret. It is asked for from the moment on that its owner has shown a code of it.

    Raises:
        WrongProof: this is not the password.
        Conflict: there is a second factor.
        NotNow: the hub, which seals the secret, is not there.
    """
    member = password_change.confirm(workplace, actor, password)
    try:
        made = workplace.hub.create_code_secret(member.organization_id, member.id)
    except HubError as error:
        raise NotNow(
            "The hub is not there to make a secret. Try again soon.", retry_after=second_factor.RETRY_AFTER_S
        ) from error
    with workplace.store.write() as transaction:
        password_change.still_holds(transaction, member)
        found = second_factors.find(transaction, member.id)
        if found is not None and found.enabled:
            raise Conflict("You have a second factor. Turn it off first.")
        second_factors.propose(transaction, member.id, made.sealed)
    return Proposal(made.secret, codes.uri(made.secret, member.email, ISSUER))


def enable(workplace: Workplace, actor: Actor, *, code: str, device: Device = NOWHERE) -> Recovery:
    """The second factor is asked for from now on.

    Raises:
        WrongProof: the code is none of the secret that was proposed last.
        Conflict: none was proposed, or it is enabled.
    """
    member = accounts.member_of(workplace, actor)
    with workplace.store.read() as transaction:
        factor = second_factors.find(transaction, member.id)
    if factor is None or factor.enabled:
        raise Conflict("There is no new secret to confirm. Begin again.")
    step = second_factor.matching_step(workplace, member, factor, "".join(code.split()))
    with workplace.store.write() as transaction:
        if not second_factors.use_step(transaction, member.id, factor.sealed_secret, step):
            raise Conflict("Another secret was made meanwhile. Begin again.")
        second_factors.enable(transaction, member.id, workplace.clock())
        return _recovery(workplace, transaction, member, device, "second-factor.enabled")


def disable(workplace: Workplace, actor: Actor, *, password: str, code: str, device: Device = NOWHERE) -> Session:
    """No second factor is asked for any more.

    Raises:
        WrongProof: the password or the code is wrong.
        Conflict: there is none.
    """
    member = password_change.confirm(workplace, actor, password)
    proof = _proof(workplace, member, code)
    with workplace.store.write() as transaction:
        password_change.still_holds(transaction, member)
        second_factor.take(workplace, transaction, member, proof)
        second_factors.remove(transaction, member.id)
        notices.record(workplace, transaction, member, "second-factor.disabled")
        return sessions.start_over(workplace, transaction, member, device)


def renew_recovery_codes(
    workplace: Workplace, actor: Actor, *, password: str, code: str, device: Device = NOWHERE
) -> Recovery:
    """Ten new recovery codes; those of before are worth nothing.

    Raises:
        WrongProof: the password or the code is wrong.
        Conflict: there is no second factor.
    """
    member = password_change.confirm(workplace, actor, password)
    proof = _proof(workplace, member, code)
    with workplace.store.write() as transaction:
        password_change.still_holds(transaction, member)
        second_factor.take(workplace, transaction, member, proof)
        return _recovery(workplace, transaction, member, device, "recovery-codes.made")


def _proof(workplace: Workplace, member: Member, code: str) -> second_factor.Proof:
    proof = second_factor.examine(workplace, member, code)
    if proof.factor is None:
        raise Conflict("You have no second factor.")
    return proof


def _recovery(workplace: Workplace, transaction: Connection, member: Member, device: Device, action: str) -> Recovery:
    made = recovery_codes.new_codes()
    hashes = [recovery_codes.hash_of(member.id, each) for each in made]
    second_factors.replace_recovery_codes(transaction, member.id, hashes)
    notices.record(workplace, transaction, member, action)
    return Recovery(made, sessions.start_over(workplace, transaction, member, device))
