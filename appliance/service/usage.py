"""Usage: the statement of each month, and each machine's part of it."""

from __future__ import annotations

from appliance.model import usage
from appliance.model.errors import NotFound
from appliance.model.usage import History, Item, Month
from appliance.service.workplace import Actor, Workplace
from appliance.store import meters


def statement(workplace: Workplace, actor: Actor) -> list[Month]:
    """The organization's usage, month by month until now."""
    return usage.months(_history(workplace, actor))


def month(workplace: Workplace, actor: Actor, name: str) -> tuple[Month, list[Item]]:
    """One month (``YYYY-MM``), and what each machine has to do with it.

    Raises:
        NotFound: the organization has no such month.
    """
    history = _history(workplace, actor)
    for found in usage.months(history):
        if found.name == name:
            return found, usage.items(history, name)
    raise NotFound(f"There is no statement of {name!r}.")


def _history(workplace: Workplace, actor: Actor) -> History:
    with workplace.store.read() as transaction:
        return meters.history(transaction, actor.organization_id, workplace.clock())
