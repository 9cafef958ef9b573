"""Usage, metered from the audit trail: what a statement says can be checked entry by entry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from appliance.model import usage
from appliance.model.errors import NotFound
from appliance.model.organization import AuditEntry, Plan
from appliance.model.usage import History, Item, Lifetime, Month, Span
from appliance.service.workplace import Actor, Workplace
from appliance.store import audit

_ADDED, _CHANGED, _REMOVED = "machine.added", "machine.changed", "machine.removed"
_FOUNDED, _PLAN = "organization.created", "organization.changed"
_SUSPENDED, _RESUMED = "organization.suspended", "organization.resumed"
_ACTIONS = (_ADDED, _CHANGED, _REMOVED, _FOUNDED, _PLAN, _SUSPENDED, _RESUMED)


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


def history_of(entries: Iterable[AuditEntry], until: datetime) -> History:
    """What the trail tells, oldest entry first, as of ``until``.

    Entries come in the order of what happened; where a clock was set back meanwhile, minutes that are told of already
    are not told of again.
    """
    names: dict[str, str] = {}
    added: dict[str, int] = {}
    ended: list[tuple[str, Span]] = []
    paid: list[Span] = []
    suspended: list[Span] = []
    founded: int | None = None
    paid_since: int | None = None
    suspended_since: int | None = None
    at = end = 0
    for entry in entries:
        # What begins counts from the start of its minute, what ends to the end of it.
        at, end = max(at, usage.minute_of(entry.at)), max(end, usage.minute_after(entry.at))
        founded = at if founded is None else founded
        machine = str(entry.detail.get("machine", ""))
        if entry.action in (_ADDED, _CHANGED):
            names[machine] = str(entry.detail["name"])
        if entry.action == _ADDED:
            added[machine] = at
        elif entry.action == _REMOVED and machine in added:
            ended.append((machine, Span(added.pop(machine), end)))
        elif entry.action == _SUSPENDED:
            suspended_since = end
        elif entry.action == _RESUMED and suspended_since is not None:
            suspended.append(Span(suspended_since, at))
            suspended_since = None
        elif entry.action == _PLAN and "plan" in entry.detail:
            is_paid = Plan(str(entry.detail["plan"])) is Plan.PAID
            if is_paid and paid_since is None:
                # A minute that was paid for already, by a switch back within it, is not paid twice.
                paid_since = max(at, paid[-1].end) if paid else at
            elif not is_paid and paid_since is not None:
                paid.append(Span(paid_since, max(paid_since, end)))
                paid_since = None
    now = max(at, usage.minute_of(until))
    ended += [(machine, Span(since, now)) for machine, since in added.items()]
    if paid_since is not None:
        paid.append(Span(paid_since, now))
    if suspended_since is not None:
        suspended.append(Span(suspended_since, now))
    return History(
        Span(now if founded is None else founded, now),
        tuple(Lifetime(machine, names[machine], span) for machine, span in ended),
        tuple(paid),
        tuple(suspended),
    )


def _history(workplace: Workplace, actor: Actor) -> History:
    with workplace.store.read() as transaction:
        entries = audit.of_actions(transaction, actor.organization_id, _ACTIONS)
    return history_of(entries, workplace.clock())
