"""Standing of an actor: whether its organization, credential and role still let it do what it asked for."""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.model.errors import Forbidden, NotFound, Suspended, Unauthenticated
from appliance.model.organization import Organization
from appliance.model.sentences import sentence
from appliance.service import credentials
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.store import organizations

GONE = sentence("This organization does not exist any more.")
SUSPENDED = sentence(
    "The operator of this service has suspended your organization. Ask them; nothing of it is deleted."
)


def organization_of(transaction: Connection, actor: Actor) -> Organization:
    """Load the actor's organization.

    Raises:
        NotFound: the organization was removed.
    """
    organization = organizations.find(transaction, actor.organization_id)
    if organization is None:
        raise gone()
    return organization


def admit(context: Context, transaction: Connection, actor: Actor, *, locked: bool) -> Organization:
    """Load the actor's organization, and check that the actor may change it now.

    Every change calls this in the transaction that commits it, so that rights lost meanwhile count.

    Args:
        locked: True in the transaction that commits: the organization's row is locked until it ends, and what the
            actor has to do within it is done, such as taking a permit.

    Raises:
        NotFound: the organization was removed.
        Suspended, Unauthenticated, Forbidden: the actor has lost the right to change anything (`check_standing`).
        WrongProof: the permit was taken meanwhile.
    """
    find = organizations.find_locked if locked else organizations.find
    organization = find(transaction, actor.organization_id)
    if organization is None:
        raise gone()
    check_standing(context, transaction, actor, organization, locked=locked)
    if locked and actor.within is not None:
        actor.within(transaction)
    return organization


def check_standing(
    context: Context, transaction: Connection, actor: Actor, organization: Organization, *, locked: bool
) -> None:
    """Check that the actor's credential and role are still what they were when the call began.

    Args:
        organization: as it is now.
        locked: True to keep the credential unchanged until the transaction ends.

    Raises:
        Suspended: the organization is suspended, and the actor is a member.
        Unauthenticated: the member or operator was removed, or the call's session, token or invitation has ended.
        Forbidden: the member's role has been lowered.
    """
    if actor.is_operator and actor.credential is None:
        return
    if organization.suspended_at is not None and not actor.is_operator:
        raise Suspended(SUSPENDED)
    role = None
    if actor.credential is not None:
        role = credentials.role_of(transaction, actor.credential, context.clock(), locked=locked)
    if role is None:
        raise Unauthenticated("Your session or token has ended meanwhile, and nothing was changed. Sign in again.")
    if not role.covers(actor.role):
        raise Forbidden("Your role was changed meanwhile, and nothing else was. Try again.")


def gone() -> NotFound:
    """Make the error for an organization that was removed."""
    return NotFound(GONE)
