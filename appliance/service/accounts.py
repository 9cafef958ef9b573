"""Sign-up, and the actors that sessions and accounts stand for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from appliance.model.addresses import DEFAULT_NETWORK, check_network
from appliance.model.emails import check_email
from appliance.model.errors import NotFound
from appliance.model.ids import new_id, new_organization_id
from appliance.model.names import check_name
from appliance.model.organization import Member, Organization, Plan, Role
from appliance.service import passwords, permits, sessions, tokens, verification
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.credentials import Credential, CredentialKind
from appliance.service.founding import founded
from appliance.service.room import NOBODY_NEW
from appliance.service.sessions import NOWHERE, Session
from appliance.store import audit, organizations, people
from appliance.store.session_table import ClientDevice


def sign_up(
    context: Context,
    *,
    email: str,
    password: str,
    organization: str,
    network: str | None = None,
    link: str | None = None,
    language: str | None = None,
    device: ClientDevice = NOWHERE,
) -> tuple[Session, Organization]:
    """Create an organization with its owner, and open a session for the owner; the mesh works when this returns.

    Args:
        network: the overlay network, as `check_network` takes it.
        link: the token of a sign-up link (`permits`), which is used up.
        language: tag of the language that letters to the owner are written in; None for English.

    Raises:
        NotOpen, NotFound: the caller needs a permit and has none, or an expired one.
        Invalid, Conflict: the input is invalid, or the address has an account.
        NoRoom: the store's disk is nearly full.
        NotEnforced: the data plane could not be created; nothing of it remains.
    """
    permit = permits.find(context, link)
    context.room.check(NOBODY_NEW)
    address = check_email(email)
    permits.check_address(permit, address)
    name = check_name(organization, field="organization")
    passwords.check_new(password, about=(address, name))
    overlay = DEFAULT_NETWORK if network is None else check_network(network)
    password_hash = passwords.hash_password(password)

    organization_id = new_organization_id()
    owner = Member(new_id(), organization_id, address, password_hash, Role.OWNER, language=language)

    def create_owner(transaction: Connection) -> None:
        people.create(transaction, owner, context.clock())

    with (
        founded(context, organization_id, name=name, network=overlay, plan=Plan.FREE, write=create_owner) as new,
        context.store.write() as transaction,
    ):
        permits.take(transaction, permit)
        organizations.activate(transaction, organization_id)
        audit.record(
            transaction,
            organization_id,
            address,
            "organization.created",
            {"name": name, "network": str(overlay)},
            context.clock(),
        )
        if permit is not None and permit.by_letter:
            people.verify(transaction, owner.id, context.clock())
        else:
            verification.begin(context, transaction, owner)
        session = sessions.begin(context, transaction, owner, device)
    return session, new


def choose_language(context: Context, actor: Actor, language: str) -> None:
    """Choose the language of letters to the actor.

    Args:
        language: its tag.
    """
    if member_of(context, actor).language != language:
        with context.store.write() as transaction:
            people.choose_language(transaction, actor.member_id, language)


def forget_unfinished(context: Context, until: datetime | None = None) -> None:
    """Remove the organizations of sign-ups that were interrupted before they answered.

    Args:
        until: sign-ups that began later may still be running, and stay; None if none is running.
    """
    with context.store.write() as transaction:
        for organization_id in organizations.unfinished(transaction, until or context.clock()):
            organizations.remove(transaction, organization_id)


def actor_of(context: Context, token: str) -> Actor:
    """Find the actor of a session.

    Args:
        token: of the session.

    Raises:
        Unauthenticated: there is no such session, or it has ended.
    """
    return actor_for(sessions.holder(context, token), token)


def actor_for(member: Member, token: str) -> Actor:
    """Make the actor of a member's session; ``token`` is the session's."""
    held = Credential(CredentialKind.SESSION, tokens.hash_of(token))
    return Actor(member.organization_id, member.id, member.email, member.role, credential=held)


def member_of(context: Context, actor: Actor) -> Member:
    """Load the actor's account.

    Raises:
        NotFound: it was removed.
    """
    with context.store.read() as transaction:
        member = people.by_id(transaction, actor.member_id)
    if member is None:
        raise NotFound("This account does not exist any more.")
    return member
