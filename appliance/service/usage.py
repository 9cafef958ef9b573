"""Usage statements by month, and by machine within a month."""

from __future__ import annotations

from appliance.model import usage
from appliance.model.errors import NotFound
from appliance.model.usage import Item, Month, UsageHistory
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.store import meters


def statement(context: Context, actor: Actor) -> list[Month]:
    """List the organization's usage by month until now."""
    return usage.months(_history(context, actor))


def month(context: Context, actor: Actor, name: str) -> tuple[Month, list[Item]]:
    """Find a month of the statement, with each machine's part.

    Args:
        name: of the month, ``YYYY-MM``.

    Raises:
        NotFound: the organization has no such month.
    """
    history = _history(context, actor)
    for found in usage.months(history):
        if found.name == name:
            return found, usage.items(history, name)
    raise NotFound("There is no statement of {name!r}.", name=name)


def _history(context: Context, actor: Actor) -> UsageHistory:
    with context.store.read() as transaction:
        return meters.history(transaction, actor.organization_id, context.clock())
