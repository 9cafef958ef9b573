"""Invitations: links with which one person joins an organization, once, in one role.

If the service sends mail, only the invited address gets the link; without, the inviting owner gets it to pass on. The
store keeps only the link's hash.
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
from appliance.model.sentences import sentence
from appliance.service import mail, passwords, sessions, tokens
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.credentials import Credential, CredentialKind
from appliance.service.members import parse_role
from appliance.service.recording import Recording, check_trail, recording
from appliance.service.sessions import NOWHERE, Session
from appliance.store import invitations, members, organizations, people
from appliance.store.invitations import Invitation
from appliance.store.session_table import ClientDevice

LIFETIME = timedelta(days=7)
MOST_PENDING = 100
LETTER = "invitation"
REVOKED = "invitation.revoked"
_OVER = sentence(
    "This invitation can't be accepted: it was accepted or revoked, its seven days are over, or its address has an "
    "account already. Ask for another one."
)


@dataclass(frozen=True)
class Invited:
    """A new invitation.

    Attributes:
        link: to pass on; can't be shown again. None if a letter brings it.
    """

    invitation: Invitation
    link: str | None = field(repr=False)


@dataclass(frozen=True)
class Offer:
    """An invitation with the organization's name, as its link shows it."""

    invitation: Invitation
    organization: str


def invite(context: Context, actor: Actor, *, email: str, role: str) -> Invited:
    """Invite a person into the actor's organization.

    Raises:
        Invalid: the address or the role is invalid.
        Conflict: a member or a pending invitation has the address, or too many are pending.
        TooMany: the day's share of the audit trail is full.
    """
    actor.must_own()
    address, wanted = check_email(email), parse_role(role)
    now = context.clock()
    new = Invitation(
        id=new_id(),
        organization_id=actor.organization_id,
        email=address,
        role=wanted,
        invited_by=actor.name,
        created_at=now,
        expires_at=now + LIFETIME,
        by_letter=context.sends_mail,
        operator=actor.account or None,
    )
    with recording(context, actor) as record:
        check_trail(context, record.organization, actor)
        _make_room(record, address, context)
        invitations.create(record.transaction, new)
        mail.queue(context, record.transaction, actor.organization_id, LETTER, new.id)
        link = None if new.by_letter else _new_link(context, record.transaction, new)
        record.note("member.invited", member=address, role=wanted.value)
    return Invited(new, link)


def pending(context: Context, actor: Actor) -> list[Invitation]:
    """List the organization's pending invitations, oldest first."""
    actor.must_own()
    with context.store.read() as transaction:
        return invitations.of_organization(transaction, actor.organization_id, context.clock())


def revoke(context: Context, actor: Actor, invitation_id: str) -> Invitation:
    """Revoke an invitation; returns what it was.

    Raises:
        NotFound: there is no such invitation; it may have been accepted.
    """
    actor.must_own()
    with recording(context, actor) as record:
        revoked = invitations.remove(record.transaction, actor.organization_id, invitation_id)
        if revoked is None:
            raise NotFound("There is no such invitation any more.")
        record.note(REVOKED, **revocation_of(revoked))
    return revoked


def take_back(context: Context, actor: Actor, email: str) -> None:
    """Revoke the operator's own invitation of an address.

    Raises:
        Invalid: this is no e-mail address.
        NotFound: no operator has invited it, or the invitation was accepted or revoked.
    """
    address = check_email(email)
    mine = [each for each in pending(context, actor) if each.email == address and each.invited_by == actor.name]
    if not mine:
        raise NotFound("No operator has invited this address, or the invitation was accepted or revoked.")
    revoke(context, actor, mine[0].id)


def revocation_of(invitation: Invitation) -> dict[str, str]:
    """Describe a revoked invitation for the audit trail (`REVOKED`)."""
    return {"member": invitation.email, "role": invitation.role.value}


def offer(context: Context, token: str) -> Offer:
    """Find the invitation of a link's token.

    Raises:
        NotFound: there is none, or not any more.
    """
    with context.store.read() as transaction:
        invitation = invitations.by_link(transaction, tokens.hash_of(token), context.clock())
        organization = invitation and organizations.find(transaction, invitation.organization_id)
    if not invitation or not organization:
        raise NotFound(_OVER)
    return Offer(invitation, organization.name)


def accept(
    context: Context, *, token: str, password: str, language: str | None = None, device: ClientDevice = NOWHERE
) -> Session:
    """Create an account for the invited address, and open a session.

    The address counts as verified if a letter brought the link.

    Args:
        language: tag of the language that letters to the new member are written in; None for English.

    Raises:
        NotFound: the link is not valid, or not any more; or the address has an account in another organization, and
            the link was not in a letter to that address.
        Invalid: the password is not acceptable.
        Conflict: the address has an account in another organization, and a letter to it brought the link.
    """
    offered = offer(context, token)
    invitation = offered.invitation
    about = (invitation.email, offered.organization)
    password_hash = passwords.hash_password(passwords.check_new(password, about=about))
    member = Member(
        new_id(), invitation.organization_id, invitation.email, password_hash, invitation.role, language=language
    )
    held = Credential(CredentialKind.INVITATION, tokens.hash_of(token))
    actor = Actor(member.organization_id, member.id, member.email, member.role, credential=held)
    try:
        return _join(context, actor, member, invitation, device)
    except Unauthenticated:
        # Somebody else accepted it first.
        raise NotFound(_OVER) from None


def _join(context: Context, actor: Actor, member: Member, invitation: Invitation, device: ClientDevice) -> Session:
    with recording(context, actor) as record:
        invitations.remove(record.transaction, invitation.organization_id, invitation.id)
        try:
            people.create(record.transaction, member, context.clock())
        except Conflict:
            # Only the reader of this address's letters is told that it has an account. An owner who got the link to
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
    """Write the letter with a new link (`mail.Composer`)."""
    invitation = invitations.by_id(transaction, invitation_id, context.clock())
    organization = invitation and organizations.find(transaction, invitation.organization_id)
    if not invitation or not organization:
        return None
    account = people.by_email(transaction, invitation.email)
    if account is not None:
        language = account.language
    else:
        # Nobody knows the language of a person without an account; those who invite share one with their guests.
        language = people.language_of_inviter(transaction, organization.id, invitation.invited_by)
    # An organization's name is free text: it stands where it can't be taken for a part of our letter.
    return mail.written(
        invitation.email,
        language,
        sentence("An invitation to MeshWG"),
        sentence("You are invited to join an organization on MeshWG as {role}.", role=invitation.role),
        (
            sentence("Organization: {name}", name=organization.name),
            sentence("Invited by: {name}", name=invitation.invited_by),
        ),
        sentence("To accept, choose a password here until {at}:", at=invitation.expires_at),
        (_new_link(context, transaction, invitation),),
        sentence("The link works once. If you don't know what this is about, do nothing."),
    )


def _new_link(context: Context, transaction: Connection, invitation: Invitation) -> str:
    token = tokens.new_token(tokens.INVITATION)
    invitations.replace_link(transaction, invitation.id, tokens.hash_of(token))
    return f"{context.site}/join/{token}"


def _make_room(record: Recording, address: str, context: Context) -> None:
    organization, now = record.organization.id, context.clock()
    invitations.forget_expired(record.transaction, organization, now)
    if members.has_email(record.transaction, organization, address):
        raise Conflict("A member of the organization has this address.", field="email")
    if len(invitations.of_organization(record.transaction, organization, now)) >= MOST_PENDING:
        raise Conflict("{most} invitations are pending, which is the most. Revoke some first.", most=MOST_PENDING)
