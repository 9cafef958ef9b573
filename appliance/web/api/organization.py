"""Organization: read, change, delete."""

from __future__ import annotations

from typing import Annotated

import msgspec

from appliance.model.access import LOOK, MANAGE
from appliance.model.organization import Plan
from appliance.service import deletion, organizations
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, OrganizationAnswer


class ChangeOrganization(Body, frozen=True):
    name: str | None = None
    plan: Annotated[str | None, msgspec.Meta(extra_json_schema={"enum": [*(plan.value for plan in Plan), None]})] = None


class DeleteOrganization(Body, frozen=True):
    confirm: Annotated[str, msgspec.Meta(description="The organization's name, exactly as it is.")]


class Removed(msgspec.Struct, frozen=True):
    removed: dict[str, int]


def _organization(call: ApiCall) -> OrganizationAnswer:
    context = call.context
    return OrganizationAnswer.of(organizations.get(context, call.actor), context)


def _change_organization(call: ApiCall) -> OrganizationAnswer:
    body: ChangeOrganization = call.body
    context = call.context
    changed = organizations.change(context, call.actor, name=body.name, plan=body.plan)
    return OrganizationAnswer.of(changed, context)


def _delete_organization(call: ApiCall) -> Removed:
    body: DeleteOrganization = call.body
    return Removed(deletion.delete(call.context, call.actor, confirm=body.confirm))


ROUTES = (
    Route("GET", "/organization", "The organization", _organization, answer=OrganizationAnswer, access=LOOK),
    Route(
        "PATCH",
        "/organization",
        "Change name or plan",
        _change_organization,
        ChangeOrganization,
        OrganizationAnswer,
        access=MANAGE,
    ),
    Route(
        "DELETE",
        "/organization",
        "Delete the organization and everything that belongs to it",
        _delete_organization,
        DeleteOrganization,
        Removed,
        access=MANAGE,
    ),
)
