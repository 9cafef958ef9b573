"""Invitations: a link that lets one person in, once, in one role.

Where mail is sent, the link goes to the address that is invited and to nobody else; without, whoever invites gets it to
pass on. Either way the store has its hash alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from appliance.model.emails import check_email
from appliance.model.errors import Conflict, NotFound, Unauthenticated
from appliance.model.ids import new_id
from appliance.model.letters import Letter
from appliance.model.organization import Member
from appliance.service import mail, passwords, sessions, tokens
from appliance.service.context import Actor, Context, Record, recording
from appliance.service.credentials import Credential, CredentialKind
from appliance.service.members import parse_role
from appliance.service.sessions import NOWHERE, Session
from appliance.store import invitations, members, organizations, people
from appliance.store.invitations import Invitation
from appliance.store.sessions import ClientDevice

LIFETIME = timedelta(days=7)
MOST_PENDING = 100
LETTER = "invitation"
_OVER = (
    "This invitation can't be accepted: it was accepted or revoked, its seven days are over, or its address has an "
    "account already. Ask for another one."
)


@dataclass(frozen=True)
class Invited:
    """An invitation that was just made.

    Attributes:
        link: to pass on, and never shown again; None where a letter brings it.
    """

    invitation: Invitation
    link: str | None = field(repr=False)


@dataclass(frozen=True)
class Offer:
    """What somebody who holds a link is offered."""

    invitation: Invitation
    organization: str


def invite(context: Context, actor: Actor, *, email: str, role: str) -> Invited:
    """Invites a person into the actor's organization.

    Raises:
        Invalid: no such address or role.
        Conflict: a member or a pending invitation has the address, or too many are pending.
    """
    actor.must_own()
    address, wanted = check_email(email), parse_role(role)
    now = context.clock()
    new = Invitation(
        new_id(), actor.organization_id, address, wanted, actor.name, now, now + LIFETIME, context.sends_mail
    )
    with recording(context, actor) as record:
        _make_room(record, address, context)
        invitations.create(record.transaction, new)
        mail.queue(context, record.transaction, actor.organization_id, LETTER, new.id)
        link = None if new.by_letter else _new_link(context, record.transaction, new)
        record.note("member.invited", member=address, role=wanted.value)
    return Invited(new, link)


def pending(context: Context, actor: Actor) -> list[Invitation]:
    """The organization's invitations that can still be accepted, oldest first."""
    actor.must_own()
    with context.store.read() as transaction:
        return invitations.of_organization(transaction, actor.organization_id, context.clock())


def revoke(context: Context, actor: Actor, invitation_id: str) -> None:
    """The invitation's link leads nowhere from now on.

    Raises:
        NotFound: there is no such invitation; it may have been accepted.
    """
    actor.must_own()
    with recording(context, actor) as record:
        revoked = invitations.remove(record.transaction, actor.organization_id, invitation_id)
        if revoked is None:
            raise NotFound("There is no such invitation any more.")
        record.note("invitation.revoked", member=revoked.email, role=revoked.role.value)


def offer(context: Context, token: str) -> Offer:
    """What the link with this token is an invitation to.

    Raises:
        NotFound: it leads nowhere, or not any more.
    """
    with context.store.read() as transaction:
        invitation = invitations.by_link(transaction, tokens.hash_of(token), context.clock())
        organization = invitation and organizations.find(transaction, invitation.organization_id)
    if not invitation or not organization:
        raise NotFound(_OVER)
    return Offer(invitation, organization.name)


def accept(context: Context, *, token: str, password: str, device: ClientDevice = NOWHERE) -> Session:
    """A new account for the address that was invited, signed in; the address is verified if a letter brought the link.

    Raises:
        NotFound: the link leads nowhere, or not any more; or the address has an account in another organization, and
            the link was not in a letter to that address.
        Invalid: the password may not be chosen.
        Conflict: the address has an account in another organization, and a letter to it brought the link.
    """
    offered = offer(context, token)
    invitation = offered.invitation
    about = (invitation.email, offered.organization)
    password_hash = passwords.hash_password(passwords.check_new(password, about=about))
    member = Member(new_id(), invitation.organization_id, invitation.email, password_hash, invitation.role)
    held = Credential(CredentialKind.INVITATION, tokens.hash_of(token))
    actor = Actor(member.organization_id, member.id, member.email, member.role, credential=held)
    try:
        return _join(context, actor, member, invitation, device)
    except Unauthenticated:
        # Whoever is first takes it: it is looked up again now that nobody else changes the organization.
        raise NotFound(_OVER) from None


def _join(context: Context, actor: Actor, member: Member, invitation: Invitation, device: ClientDevice) -> Session:
    with recording(context, actor) as record:
        invitations.remove(record.transaction, invitation.organization_id, invitation.id)
        try:
            people.create(record.transaction, member)
        except Conflict:
            # Only somebody who reads the letters of this address is told what it has. An owner who got the link to
            # pass on may have invited any address.
            if not invitation.by_letter:
                raise NotFound(_OVER) from None
            raise Conflict(
                "This address has an account already, and an account belongs to one organization. Delete that account "
                "first, or ask for an invitation to another address."
            ) from None
        if invitation.by_letter:
            people.verify(record.transaction, member.id, context.clock())
        record.note("member.joined", member=member.email, role=member.role.value, invited_by=invitation.invited_by)
        return sessions.begin(context, record.transaction, member, device)


def compose(context: Context, transaction: Connection, invitation_id: str) -> Letter | None:
    """The letter with the link, which is made here (`mail.Composer`)."""
    invitation = invitations.by_id(transaction, invitation_id, context.clock())
    organization = invitation and organizations.find(transaction, invitation.organization_id)
    if not invitation or not organization:
        return None
    # Whoever founds an organization chooses its name: it stands where it can't be taken for words of ours.
    text = (
        f"You are invited to join an organization on MeshWG as {invitation.role.value}.\n\n"
        f"    Organization: {organization.name}\n"
        f"    Invited by: {invitation.invited_by}\n\n"
        f"To accept, choose a password here until {invitation.expires_at:%Y-%m-%d %H:%M} UTC:\n\n"
        f"    {_new_link(context, transaction, invitation)}\n\n"
        "The link works once. If you don't know what this is about, do nothing.\n"
    )
    return Letter(invitation.email, "An invitation to MeshWG", text)


def _new_link(context: Context, transaction: Connection, invitation: Invitation) -> str:
    token = tokens.new_token(tokens.INVITATION)
    invitations.replace_link(transaction, invitation.id, tokens.hash_of(token))
    return f"{context.site}/join/{token}"


def _make_room(record: Record, address: str, context: Context) -> None:
    organization, now = record.organization.id, context.clock()
    invitations.forget_expired(record.transaction, organization, now)
    if members.has_email(record.transaction, organization, address):
        raise Conflict("A member of the organization has this address.", field="email")
    if len(invitations.of_organization(record.transaction, organization, now)) >= MOST_PENDING:
        raise Conflict(f"{MOST_PENDING} invitations are pending, which is the most. Revoke some first.")
