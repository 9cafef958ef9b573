"""Switch of the plan, with a question first, as it begins or ends billing.

A visitor whose new machine the plan does not cover comes here from that form, and returns to it with the input.
"""

from __future__ import annotations

from dataclasses import replace

from appliance.languages import formats
from appliance.model.access import MANAGE
from appliance.model.errors import Refused
from appliance.model.organization import Plan
from appliance.model.usage import PRICE
from appliance.service import machines, organizations
from appliance.web.pages import machine_list, notices, organization
from appliance.web.pages.outcomes import Outcome, reply
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

_PLANS = frozenset(plan.value for plan in Plan)
_OF_A_MACHINE = ("name", "groups", "public_key")


def _switch(visit: Visit) -> Response:
    wanted = visit.form.text("plan")
    is_another = wanted in _PLANS and wanted != visit.signed_in.organization.plan.value
    if is_another and not visit.form.is_checked("confirmed"):
        return _ask(visit)
    try:
        after = organizations.change(visit.context, visit.actor, plan=wanted)
    except Refused as refusal:
        return _ask(visit, refusal)
    if not _machine(visit):
        return visit.done("/settings", "plan")
    switched = replace(
        visit, who=replace(visit.signed_in, organization=after), notice=notices.words("plan-for-machine")
    )
    return reply(machine_list.table(switched), Outcome("/machines", "plan"))


def _ask(visit: Visit, refusal: Refused | None = None) -> Response:
    """Render the question, with the input of the machine's form; the settings for an unknown plan."""
    wanted = visit.form.text("plan")
    if wanted not in _PLANS:
        return organization.page(visit, refusal, "plan")
    seen, following = machines.page(visit.context, visit.actor)
    return visit.page(
        "plan.html",
        refusal=refusal,
        wanted=wanted,
        machine=_machine(visit),
        count=len(seen),
        are_more=following is not None,
        amount=formats.whole_rupees(PRICE // 100 * len(seen)),
    )


def _machine(visit: Visit) -> dict[str, str]:
    """Get the input of the machine's form; empty if the visitor does not come from there."""
    return {name: visit.form.text(name) for name in _OF_A_MACHINE if name in visit.form.fields}


PAGES = (Page("POST", "/settings/plan", _switch, access=MANAGE, again=Again(_ask, ("plan", *_OF_A_MACHINE))),)
