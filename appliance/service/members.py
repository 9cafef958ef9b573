"""Members of an organization: list, change role, remove, transfer, leave.

An account belongs to one organization, and ends when the member is removed or leaves. There is always an owner: the
last one can neither leave nor get another role.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from appliance.model.errors import Conflict, Invalid
from appliance.model.organization import Role
from appliance.service import account_holders, pages, proof
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.recording import Recording, check_trail, recording
from appliance.service.sessions import NOWHERE
from appliance.store import invitations, members
from appliance.store.members import Membership


def page(
    context: Context, actor: Actor, *, after: str | None = None, limit: int = pages.LONGEST
) -> tuple[Sequence[Membership], str | None]:
    """List a page of members by id.

    Returns:
        The page, and the ``after`` of the next one (None: it is the last).
    """
    with context.store.read() as transaction:
        return pages.cut(
            lambda count: members.page_of(transaction, actor.organization_id, after=after, limit=count),
            limit,
            lambda each: each.id,
        )


def get(context: Context, actor: Actor, member_id: str) -> Membership:
    """Load a member of the actor's organization.

    Raises:
        NotFound: it has no member of that id.
    """
    with context.store.read() as transaction:
        return _find(transaction, actor, member_id)


def change_role(context: Context, actor: Actor, member_id: str, role: str) -> Membership:
    """Change a member's role, also for their requests that wait already.

    The pending invitations of a former owner are revoked.

    Raises:
        Invalid: there is no such role.
        Conflict: the member is the only owner.
        TooMany: the role is a higher one, and the day's share of the audit trail is full.
    """
    actor.must_own()
    new = parse_role(role)
    with recording(context, actor) as record:
        member = _find(record.transaction, actor, member_id)
        if new is member.role:
            record.leave_no_entry()
            return member
        if new.covers(member.role):
            check_trail(context, record.organization, actor)
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
    """Remove a member's account, with its sessions, tokens and invitations.

    Raises:
        Conflict: the account is the actor's own (see `leave`), or the only owner's.
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
    """Make another member an owner and the actor an admin, in one step; the actor's pending invitations are revoked.

    Returns:
        The new owner.

    Raises:
        Conflict: the member is the actor.
        TooMany: the day's share of the audit trail is full.
    """
    actor.must_own()
    if member_id == actor.member_id:
        raise Conflict("The organization is yours already.", field="member")
    with recording(context, actor) as record:
        check_trail(context, record.organization, actor)
        heir = _find(record.transaction, actor, member_id)
        former = _find(record.transaction, actor, actor.member_id)
        members.change_role(record.transaction, heir.id, Role.OWNER)
        members.change_role(record.transaction, former.id, Role.ADMIN)
        revoked = _revoke_invitations(record, former)
        record.note(
            "organization.transferred", to=heir.email, previous_role=heir.role.value, invitations_revoked=revoked
        )
        return _find(record.transaction, actor, member_id)


def leave(context: Context, actor: Actor, *, password: str) -> None:
    """Remove the actor's own account, with its sessions, tokens and invitations.

    Raises:
        WrongProof: the password is wrong.
        Conflict: the actor is the only owner.
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
    """Parse a role; raises `Invalid` unless it is owner, admin or viewer."""
    try:
        return Role(text)
    except ValueError:
        raise Invalid("The role is not owner, admin or viewer.", field="role") from None


def _find(transaction: Connection, actor: Actor, member_id: str) -> Membership:
    found = members.find(transaction, actor.organization_id, member_id)
    if found is None:
        raise account_holders.no_such_member()
    return found


def _revoke_invitations(record: Recording, member: Membership) -> int:
    """Revoke a former owner's invitations, with which they could come back; returns their number."""
    return invitations.remove_all_of(record.transaction, record.organization.id, member.email)


def _check_not_last_owner(record: Recording, member: Membership) -> None:
    owners = members.count_by_role(record.transaction, record.organization.id, Role.OWNER)
    if member.role is Role.OWNER and owners == 1:
        raise Conflict("An organization needs an owner, and there is no other one. Make somebody else an owner first.")
