"""Settings of the organization: facts, name and deletion."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from appliance.model.access import LOOK, MANAGE
from appliance.model.addresses import home_network_warning
from appliance.model.errors import Refused
from appliance.model.names import LONGEST_TYPED
from appliance.service import deletion, organizations
from appliance.web.pages import trail_words
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.pages.undo import Undo
from appliance.web.request import COOKIE
from appliance.web.response import Response


def _rename(visit: Visit) -> Response:
    before = visit.signed_in.organization.name
    try:
        after = organizations.change(visit.context, visit.actor, name=visit.form.text("name")).name
    except Refused as refusal:
        return page(visit, refusal, "rename")
    reverse = Undo("/settings/undo", {"name": before, "seen_name": after}) if after != before else None
    return visit.done("/settings", "renamed", reverse)


def _undo(visit: Visit) -> Response:
    form = visit.form
    try:
        organizations.change(visit.context, visit.actor, name=form.text("name"), seen_name=form.text("seen_name"))
    except Refused as refusal:
        return page(visit, refusal, "rename")
    return visit.done("/settings", "undone")


def _delete(visit: Visit) -> Response:
    # A keyboard may compose letters in another way than the stored name does. Longer texts are no name.
    confirm = visit.form.text("confirm").strip()
    typed = unicodedata.normalize("NFC", confirm) if len(confirm) <= LONGEST_TYPED else confirm
    name = visit.signed_in.organization.name
    try:
        removed = deletion.delete(visit.context, visit.actor, confirm=typed)
    except Refused as refusal:
        return page(visit, refusal, "delete")
    # The visitor's account is deleted too, so the page shows nobody as signed in.
    told = replace(visit, who=None).page("goodbye.html", name=name, removed=trail_words.removed(removed))
    return reply(told, Outcome("/", "deleted")).without_cookie(COOKIE)


def page(visit: Visit, refusal: Refused | None = None, refused_form: str = "") -> Response:
    """Render the settings.

    Args:
        refused_form: name of the form that was refused.
    """
    organization = visit.signed_in.organization
    return visit.page(
        "settings.html",
        refusal=refusal,
        refused_form=refused_form,
        organization=organization,
        network_warning=home_network_warning(organization.network),
        endpoint=visit.context.endpoint_of(organization),
        repairs=organizations.repairs(visit.context, visit.actor),
        typed_name=visit.form.text("name") if refused_form == "rename" else organization.name,
        typed_confirm=visit.form.text("confirm"),
    )


def _again(form: str, *fields: str) -> Again:
    return Again(lambda visit, refusal: page(visit, refusal, form), fields)


PAGES = (
    Page("GET", "/settings", page, access=LOOK),
    Page("POST", "/settings/name", _rename, access=MANAGE, again=_again("rename", "name")),
    Page("POST", "/settings/undo", _undo, access=MANAGE, again=Again.by(page)),
    Page("POST", "/settings/delete", _delete, access=MANAGE, again=_again("delete")),
)
