"""Usage statements by month, and by machine within a month."""

from __future__ import annotations

from appliance.model import usage
from appliance.model.errors import NotFound
from appliance.model.usage import Item, Month
from appliance.service.actor import Actor
from appliance.service.context import Context
from appliance.store import meters


def statement(context: Context, actor: Actor) -> list[Month]:
    """List the organization's usage by month until now."""
    with context.store.read() as transaction:
        known = meters.span(transaction, actor.organization_id, context.clock())
        outline = meters.outline(transaction, actor.organization_id, known, known)
        return usage.months(outline, meters.steps(transaction, actor.organization_id, known))


def month(context: Context, actor: Actor, name: str) -> tuple[Month, list[Item]]:
    """Find a month of the statement, with each machine's part.

    Args:
        name: of the month, ``YYYY-MM``.

    Raises:
        NotFound: the organization has no such month.
    """
    with context.store.read() as transaction:
        known = meters.span(transaction, actor.organization_id, context.clock())
        if name not in usage.months_of(known):
            raise NotFound("There is no statement of {name!r}.", name=name)
        history = meters.history(transaction, actor.organization_id, known, usage.span_of(name))
    lines = usage.items(history, name)
    return usage.total(name, lines), lines
