"""Bounds on an organization's machines, and on the groups of each."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.model.errors import Conflict, Invalid, PlanLimit
from appliance.model.names import check_group
from appliance.model.organization import Organization

MOST_MACHINES = 10_000
MOST_GROUPS = 32
MOST_GROUP_CHARACTERS = 2000


def check_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """Check the groups of one machine, and sort them.

    Raises:
        Invalid: one of them is no name of a group, or they are too many or too long together.
    """
    different = set(groups)
    if len(different) > MOST_GROUPS:
        raise Invalid("A machine is in at most {most} groups.", field="groups", most=MOST_GROUPS)
    checked = tuple(sorted({check_group(group) for group in different}))
    if sum(map(len, checked)) > MOST_GROUP_CHARACTERS:
        raise Invalid(
            "The names of a machine's groups have at most {most} characters together.",
            field="groups",
            most=MOST_GROUP_CHARACTERS,
        )
    return checked


def check_another(organization: Organization, count: int) -> None:
    """Check that an organization may have one machine more.

    Args:
        count: of the machines that it has.

    Raises:
        Conflict: no organization has more.
        PlanLimit: its plan covers no further machine.
    """
    if count >= MOST_MACHINES:
        raise Conflict("An organization has at most {most} machines.", most=MOST_MACHINES)
    limit = organization.plan.machine_limit
    if limit is not None and count >= limit:
        raise PlanLimit(
            "The {plan} plan covers {limit} machines. Switch the organization to the paid plan to add more.",
            plan=organization.plan,
            limit=limit,
        )
