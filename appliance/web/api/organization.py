"""The organization itself."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.access import LOOK, MANAGE
from appliance.model.organization import Plan
from appliance.service import deletion, organizations
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body, OrganizationAnswer


class ChangeOrganization(Body, frozen=True):
    name: str | None = None
    plan: Annotated[str | None, msgspec.Meta(extra_json_schema={"enum": [*(plan.value for plan in Plan), None]})] = None


class DeleteOrganization(Body, frozen=True):
    confirm: Annotated[str, msgspec.Meta(description="The organization's name, exactly as it is.")]


class Removed(msgspec.Struct, frozen=True):
    removed: dict[str, int]


def _organization(asked: Asked) -> OrganizationAnswer:
    context = asked.site.context
    return OrganizationAnswer.of(organizations.get(context, asked.actor), context)


def _change_organization(asked: Asked) -> OrganizationAnswer:
    body: ChangeOrganization = asked.body
    context = asked.site.context
    changed = organizations.change(context, asked.actor, name=body.name, plan=body.plan)
    return OrganizationAnswer.of(changed, context)


def _delete_organization(asked: Asked) -> Removed:
    body: DeleteOrganization = asked.body
    return Removed(deletion.delete(asked.site.context, asked.actor, confirm=body.confirm))


CALLS = (
    Call("GET", "/organization", "The organization", _organization, answer=OrganizationAnswer, access=LOOK),
    Call(
        "PATCH",
        "/organization",
        "Change name or plan",
        _change_organization,
        ChangeOrganization,
        OrganizationAnswer,
        access=MANAGE,
    ),
    Call(
        "DELETE",
        "/organization",
        "Delete the organization and everything that belongs to it",
        _delete_organization,
        DeleteOrganization,
        Removed,
        access=MANAGE,
    ),
)
