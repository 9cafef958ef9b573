"""Organization: read, change, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec

from appliance.model.access import LOOK, MANAGE
from appliance.model.errors import NotEnforced, NotFound
from appliance.model.names import LONGEST_NAME
from appliance.model.organization import Organization, Plan
from appliance.service import deletion, organizations
from appliance.web import conditions
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, OrganizationAnswer, text


class ChangeOrganization(Body, frozen=True):
    name: Annotated[str, text("Its new name.", LONGEST_NAME)] | None = None
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
    changed = organizations.change(context, call.actor, name=body.name, plan=body.plan, seen=_seen(call))
    return OrganizationAnswer.of(changed, context)


def _seen(call: ApiCall) -> Callable[[Organization], bool] | None:
    """Make the request's condition (If-Match); None if it has none."""
    context, tags = call.context, conditions.tags_seen(call.request)
    return None if tags is None else lambda organization: _tag(OrganizationAnswer.of(organization, context)) in tags


def _tag(answer: OrganizationAnswer) -> str:
    return conditions.etag_of(msgspec.json.encode(answer))


def _delete_organization(call: ApiCall) -> Removed:
    body: DeleteOrganization = call.body
    return Removed(deletion.delete(call.context, call.actor, confirm=body.confirm))


ROUTES = (
    Route(
        "GET",
        "/organization",
        "The organization",
        _organization,
        answer=OrganizationAnswer,
        access=LOOK,
        refusals=(NotFound,),
    ),
    Route(
        "PATCH",
        "/organization",
        "Change name or plan",
        _change_organization,
        ChangeOrganization,
        OrganizationAnswer,
        access=MANAGE,
        takes_condition=True,
        etag=_tag,
        refusals=(NotEnforced,),
    ),
    Route(
        "DELETE",
        "/organization",
        "Delete the organization and everything that belongs to it",
        _delete_organization,
        DeleteOrganization,
        Removed,
        access=MANAGE,
        refusals=(NotEnforced,),
    ),
)
