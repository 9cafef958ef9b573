"""The people of an organization: who there is, in which role, and how they go.

One account belongs to one organization, so whoever is removed or leaves has no account any more. There is always an
owner: the last one can neither go nor become something else.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from appliance.model.errors import Conflict, Invalid, NotFound
from appliance.model.organization import Role
from appliance.service import pages, proof
from appliance.service.context import Actor, Context, Record, recording
from appliance.service.sessions import NOWHERE
from appliance.store import invitations, members
from appliance.store.members import Membership


def page(
    context: Context, actor: Actor, *, after: str | None = None, limit: int = pages.LONGEST
) -> tuple[Sequence[Membership], str | None]:
    """A page of the actor's organization's members by id, and where the next one begins."""
    with context.store.read() as transaction:
        return pages.cut(
            lambda count: members.page_of(transaction, actor.organization_id, after=after, limit=count),
            limit,
            lambda each: each.id,
        )


def get(context: Context, actor: Actor, member_id: str) -> Membership:
    """One member of the actor's organization.

    Raises:
        NotFound: it has none of that id.
    """
    with context.store.read() as transaction:
        return _find(transaction, actor, member_id)


def change_role(context: Context, actor: Actor, member_id: str, role: str) -> Membership:
    """Another role for a member, from their next request on, and for what waits already.

    Who is no owner any more has no invitations pending either.

    Raises:
        Invalid: no such role.
        Conflict: nobody else owns the organization.
    """
    actor.must_own()
    new = parse_role(role)
    with recording(context, actor) as record:
        member = _find(record.transaction, actor, member_id)
        if new is not Role.OWNER:
            _check_not_last_owner(record, member)
        members.change_role(record.transaction, member.id, new)
        revoked = 0 if new is Role.OWNER else _revoke_invitations(record, member)
        record.note(
            "member.changed",
            member=member.email,
            role=new.value,
            previous_role=member.role.value,
            invitations_revoked=revoked,
        )
        return _find(record.transaction, actor, member_id)


def remove(context: Context, actor: Actor, member_id: str) -> None:
    """Removes a member's account; their sessions, tokens and invitations end with it.

    Raises:
        Conflict: it is the actor's own, which `leave` removes.
    """
    actor.must_own()
    if member_id == actor.member_id:
        raise Conflict("This is your own account. Leave the organization instead, which asks for your password.")
    with recording(context, actor) as record:
        member = _find(record.transaction, actor, member_id)
        _check_not_last_owner(record, member)
        members.remove(record.transaction, member.id)
        revoked = _revoke_invitations(record, member)
        record.note("member.removed", member=member.email, role=member.role.value, invitations_revoked=revoked)


def transfer(context: Context, actor: Actor, member_id: str) -> Membership:
    """Makes another member an owner and the actor an admin, in one step; gives the new owner."""
    actor.must_own()
    if member_id == actor.member_id:
        raise Conflict("The organization is yours already.", field="member")
    with recording(context, actor) as record:
        heir = _find(record.transaction, actor, member_id)
        members.change_role(record.transaction, heir.id, Role.OWNER)
        members.change_role(record.transaction, actor.member_id, Role.ADMIN)
        record.note("organization.transferred", to=heir.email, previous_role=heir.role.value)
        return _find(record.transaction, actor, member_id)


def leave(context: Context, actor: Actor, *, password: str) -> None:
    """Removes the actor's own account, with every session and token of it.

    Raises:
        WrongProof: it is another password.
        Conflict: nobody else owns the organization.
    """
    shown = proof.of_password(context, actor, password)
    with recording(context, actor) as record:
        proof.take(context, record.transaction, shown, NOWHERE)
        member = _find(record.transaction, actor, actor.member_id)
        _check_not_last_owner(record, member)
        members.remove(record.transaction, member.id)
        revoked = _revoke_invitations(record, member)
        record.note("member.left", member=member.email, role=member.role.value, invitations_revoked=revoked)


def parse_role(text: str) -> Role:
    """Raises `Invalid` unless it is owner, admin or viewer."""
    try:
        return Role(text)
    except ValueError:
        raise Invalid("The role is not owner, admin or viewer.", field="role") from None


def _find(transaction: Connection, actor: Actor, member_id: str) -> Membership:
    found = members.find(transaction, actor.organization_id, member_id)
    if found is None:
        raise NotFound("The organization has no such member.")
    return found


def _revoke_invitations(record: Record, member: Membership) -> int:
    """Ends the invitations of somebody who may invite nobody any more: they might let that person in again."""
    return invitations.remove_all_of(record.transaction, record.organization.id, member.email)


def _check_not_last_owner(record: Record, member: Membership) -> None:
    owners = members.count_by_role(record.transaction, record.organization.id, Role.OWNER)
    if member.role is Role.OWNER and owners == 1:
        raise Conflict("An organization needs an owner, and there is no other one. Make somebody else an owner first.")
