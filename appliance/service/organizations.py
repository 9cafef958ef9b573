"""An organization's name and plan, and its audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.model.errors import Conflict, Invalid, PreconditionFailed
from appliance.model.names import check_name
from appliance.model.organization import AuditEntry, Organization, Plan
from appliance.service import pages
from appliance.service.actor import Actor
from appliance.service.changes import OpenChange, carry_out
from appliance.service.context import Context
from appliance.service.standing import organization_of
from appliance.store import audit, organizations, trails
from appliance.store.trails import TrailSize

_SHOWN_REPAIRS = 20


def get(context: Context, actor: Actor) -> Organization:
    """Load the actor's organization.

    Raises:
        NotFound: it was removed.
    """
    with context.store.read() as transaction:
        return organization_of(transaction, actor)


def change(
    context: Context,
    actor: Actor,
    *,
    name: str | None = None,
    plan: str | None = None,
    seen_name: str | None = None,
    seen: Callable[[Organization], bool] | None = None,
) -> Organization:
    """Change the organization's name or plan; None leaves it as it is.

    Args:
        seen_name: the name that the caller has seen; None for no condition.
        seen: tells whether all of it is as the caller has seen it; None for no condition.

    Raises:
        PreconditionFailed: somebody else has changed it meanwhile.
        Invalid: there is no such plan, the name is invalid, or the policy is too large for the plan.
        Conflict: the organization has more machines than the plan covers, or another name than ``seen_name``.
    """
    actor.must_own()
    checked_name = None if name is None else check_name(name)
    checked_plan = None if plan is None else _plan(plan)

    def edit(open_change: OpenChange) -> None:
        before = open_change.organization
        if seen is not None and not seen(before):
            raise PreconditionFailed("Nothing was done, because the organization was changed meanwhile.")
        if seen_name is not None and before.name != seen_name:
            raise Conflict("Nothing was undone: the organization was renamed again since.", field="name")
        new_name = before.name if checked_name is None else checked_name
        new_plan = before.plan if checked_plan is None else checked_plan
        limit = new_plan.machine_limit
        count = open_change.machine_count
        if limit is not None and count > limit:
            raise Conflict(
                "The {new_plan} plan covers {limit} machines and there are {count}. Remove some first.",
                field="plan",
                new_plan=new_plan,
                limit=limit,
                count=count,
            )
        if new_plan is not before.plan:
            open_change.before.check_size(most=new_plan.element_limit)
        open_change.write(
            lambda transaction: organizations.change(transaction, before.id, name=new_name, plan=new_plan)
        )
        open_change.note(
            "organization.changed", name=new_name, plan=new_plan.value, **_previous(before, new_name, new_plan)
        )

    carry_out(context, actor, edit)
    return get(context, actor)


def trail(
    context: Context, actor: Actor, *, before: str | None = None, limit: int = 100, field: str = "before"
) -> tuple[Sequence[AuditEntry], str | None]:
    """List a page of the audit trail, newest first.

    Args:
        before: as the page before returned it.
        field: name of the input that ``before`` is from.

    Returns:
        The page, and the ``before`` of the next one (None: it is the last).

    Raises:
        Invalid: ``before`` is not the id of an entry of the organization.
    """
    with context.store.read() as transaction:
        older_than = None if before is None else audit.number_of(transaction, actor.organization_id, before)
        if before is not None and older_than is None:
            raise Invalid("This is not a position in the audit trail.", field=field)
        fitting = audit.fitting_page(
            transaction, actor.organization_id, before=older_than, limit=limit, most_bytes=pages.MOST_BYTES
        )
        return pages.cut(
            lambda count: audit.page_of(transaction, actor.organization_id, before=older_than, limit=count),
            min(limit, fitting),
            lambda each: each.id,
        )


def kept(context: Context, actor: Actor) -> TrailSize:
    """Measure the audit trail."""
    with context.store.read() as transaction:
        return trails.size_of(transaction, actor.organization_id)


def repairs(context: Context, actor: Actor) -> list[AuditEntry]:
    """List the hub's repairs of the organization's data plane, newest first."""
    with context.store.read() as transaction:
        return audit.latest_repairs(transaction, actor.organization_id, _SHOWN_REPAIRS)


def _previous(before: Organization, name: str, plan: Plan) -> dict[str, str]:
    """List the values that a change replaces, for the audit trail."""
    found = {}
    if name != before.name:
        found["previous_name"] = before.name
    if plan is not before.plan:
        found["previous_plan"] = before.plan.value
    return found


def _plan(text: str) -> Plan:
    try:
        return Plan(text)
    except ValueError:
        raise Invalid("There is no plan {text!r}; the plans are free and paid.", field="plan", text=text) from None
