"""Suspension: an organization that is stored and not enforced, until the operator resumes it.

Its tunnels are dead, its people are signed out and can't sign in, its tokens are refused, and all that it has is kept.
"""

from __future__ import annotations

from contextlib import suppress

from appliance.hub.errors import HubError
from appliance.model.errors import Conflict
from appliance.service.workplace import Actor, Workplace, enforce, recording
from appliance.store import organizations, sessions


def suspend(workplace: Workplace, organization_id: str) -> None:
    """Takes the organization from its people and off the data plane; no packet of it passes when this returns.

    Raises:
        NotFound: there is no such organization.
        Conflict: it is suspended already.
        NotEnforced: the data plane could not be removed; everything is as before.
    """
    before = None
    try:
        with recording(workplace, Actor.operator(organization_id)) as record:
            if record.organization.suspended_at is not None:
                raise Conflict("The organization is suspended already.")
            desired = organizations.desired(record.transaction, organization_id)
            organizations.suspend(record.transaction, organization_id, workplace.clock())
            sessions.end_all_of(record.transaction, organization_id)
            record.note("organization.suspended")
            enforce(workplace, None, organization_id)
            before = desired
    except BaseException:
        if before is not None:
            with suppress(HubError):
                workplace.hub.apply(before)
        raise


def resume(workplace: Workplace, organization_id: str) -> None:
    """Gives the organization back; its machines can reconnect when this returns.

    Raises:
        NotFound: there is no such organization.
        Conflict: it is not suspended.
        NotEnforced: the data plane could not be made; it stays suspended.
    """
    made = False
    try:
        with recording(workplace, Actor.operator(organization_id)) as record:
            if record.organization.suspended_at is None:
                raise Conflict("The organization is not suspended.")
            organizations.suspend(record.transaction, organization_id, None)
            record.note("organization.resumed")
            enforce(workplace, organizations.desired(record.transaction, organization_id), organization_id)
            made = True
    except BaseException:
        if made:
            with suppress(HubError):
                workplace.hub.remove(organization_id)
        raise
