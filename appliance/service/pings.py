"""Pings of machines from the hub, for members who want to know whether a machine answers."""

from __future__ import annotations

from appliance.model.errors import Conflict, NotNow
from appliance.service import machines
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.service.hub_calls import refused_as


def ping(context: Context, actor: Actor, machine_id: str) -> float | None:
    """Ping a machine from the hub, whatever the policy says, and without a change to it.

    Returns:
        Milliseconds until the reply; None if the machine did not reply within two seconds.

    Raises:
        NotFound: the organization has no machine of that id.
        Conflict: the machine is disabled.
        TooMany: another ping of the organization is running, or too many of all.
        NotNow: the hub could not send it.
    """
    actor.must_change()
    if not machines.get(context, actor, machine_id).machine.enabled:
        raise Conflict("This machine is disabled, so there is no tunnel to ping it through.")
    with refused_as(NotNow("The hub could not send a ping. Try again in a minute.")):
        return context.hub.ping(actor.organization_id, machine_id)
