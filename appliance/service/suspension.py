"""Suspension: the operator takes an organization out of service, and resumes it later.

A suspended organization has no tunnels, its people are signed out and can't sign in, and its tokens are refused; all
its data is kept.
"""

from __future__ import annotations

from appliance.model.errors import Conflict
from appliance.service import factor_removals
from appliance.service.actor import Actor
from appliance.service.changes import OpenChange, carry_out
from appliance.service.context import Context
from appliance.store import factor_removals as stored
from appliance.store import organizations, sessions


def suspend(context: Context, actor: Actor) -> None:
    """Suspend an organization; none of its packets pass when this returns.

    Args:
        actor: the operator, for this organization.

    Raises:
        NotFound: there is no such organization.
        Conflict: it is suspended already.
        Unauthenticated: the session has ended.
        NotEnforced: the data plane could not be removed; everything is as before.
    """
    since = context.clock()

    def edit(change: OpenChange) -> None:
        if change.is_suspended:
            raise Conflict("The organization is suspended already.")
        change.is_suspended = True
        change.write(lambda transaction: organizations.suspend(transaction, actor.organization_id, since))
        change.write(lambda transaction: sessions.end_all_of(transaction, actor.organization_id))
        change.note("organization.suspended")

    carry_out(context, actor, edit)


def resume(context: Context, actor: Actor) -> None:
    """Resume a suspended organization; its machines can reconnect when this returns.

    Args:
        actor: the operator, for this organization.

    Raises:
        NotFound: there is no such organization.
        Conflict: it is not suspended.
        Unauthenticated: the session has ended.
        NotEnforced: the data plane could not be created; the organization stays suspended.
    """

    def edit(change: OpenChange) -> None:
        if not change.is_suspended:
            raise Conflict("The organization is not suspended.")
        change.is_suspended = False
        change.write(lambda transaction: organizations.suspend(transaction, actor.organization_id, None))
        # Nobody could sign in to stop a removal.
        until = context.clock() + factor_removals.DELAY
        change.write(lambda transaction: stored.postpone(transaction, actor.organization_id, until))
        change.note("organization.resumed")

    carry_out(context, actor, edit)
