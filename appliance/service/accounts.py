"""Sign-up, and the actors that sessions and accounts stand for."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection

from appliance.hub.errors import HubError
from appliance.model.addresses import DEFAULT_NETWORK, check_network
from appliance.model.desired import Desired
from appliance.model.emails import check_email
from appliance.model.errors import NotEnforced, NotFound
from appliance.model.ids import new_id, new_organization_id, new_revision
from appliance.model.names import check_name
from appliance.model.organization import Member, Organization, Plan, Role
from appliance.model.sentences import sentence
from appliance.service import passwords, permits, sessions, tokens, verification
from appliance.service.changes import enforce
from appliance.service.context import Actor, Context
from appliance.service.credentials import Credential, CredentialKind
from appliance.service.sessions import NOWHERE, Session
from appliance.store import audit, organizations, people
from appliance.store.session_table import ClientDevice

_NO_HUB = sentence("The hub is not there to make an organization; nothing was stored.")
_CANDIDATES = 256
# More than the number of simultaneous sign-ups.
_ENOUGH = 24


def sign_up(
    context: Context,
    *,
    email: str,
    password: str,
    organization: str,
    network: str | None = None,
    invitation: str | None = None,
    device: ClientDevice = NOWHERE,
) -> tuple[Session, Organization]:
    """Create an organization with its owner, and open a session for the owner; the mesh works when this returns.

    Args:
        network: the overlay network, as `check_network` takes it.
        invitation: the token of a link that permits the sign-up (`permits`); it is used up.

    Raises:
        NotOpen, NotFound: the caller needs a permit and has none, or an expired one.
        Invalid, Conflict: the input is invalid, or the address has an account.
        NotEnforced: the data plane could not be created; nothing of it remains.
    """
    permit = permits.find(context, invitation)
    address = check_email(email)
    permits.check_address(permit, address)
    name = check_name(organization, field="organization")
    passwords.check_new(password, about=(address, name))
    overlay = DEFAULT_NETWORK if network is None else check_network(network)
    password_hash = passwords.hash_password(password)

    organization_id = new_organization_id()
    try:
        keys = context.hub.create_keys(organization_id)
        with context.store.read() as transaction:
            candidates = organizations.free_ports(transaction, _CANDIDATES)
        usable = context.hub.free_ports(candidates, _ENOUGH)
    except HubError as error:
        raise NotEnforced(_NO_HUB) from error
    owner = Member(new_id(), organization_id, address, password_hash, Role.OWNER)

    # The data plane is slow to create: no transaction is open meanwhile, and the organization stays invisible.
    with context.store.write() as transaction:
        new = Organization(
            id=organization_id,
            name=name,
            network=overlay,
            port=free_port(transaction, usable),
            hub_public_key=keys.public_key,
            plan=Plan.FREE,
            policy_version=1,
            revision=new_revision(),
            created_at=context.clock(),
        )
        organizations.create(transaction, new, keys)
        people.create(transaction, owner)
    desired = Desired(
        organization=organization_id,
        network=overlay,
        port=new.port,
        hub_public_key=keys.public_key,
        sealed_data_key=keys.sealed_data_key,
        sealed_private_key=keys.sealed_private_key,
    )
    try:
        enforce(context, desired, new.revision)
        with context.store.write() as transaction:
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
                verification.ask(context, transaction, owner)
            session = sessions.begin(context, transaction, owner, device)
        context.states.keep(new.revision, desired)
    except BaseException:
        with context.store.write() as transaction:
            organizations.remove(transaction, organization_id)
        with suppress(HubError):
            context.hub.remove(organization_id)
        raise
    return session, new


def free_port(transaction: Connection, usable: Collection[int]) -> int:
    """Find the lowest port that nothing on the host used, and that no other sign-up has taken since."""
    organizations.lock_ports(transaction)
    port = next((port for port in organizations.free_ports(transaction, _CANDIDATES) if port in usable), None)
    if port is None:
        raise NotEnforced("The hub has no UDP port left for another organization.")
    return port


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
