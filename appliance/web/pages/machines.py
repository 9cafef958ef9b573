"""Pages of a machine, and of its configuration."""

from __future__ import annotations

from urllib.parse import quote

from appliance.languages import gettext as _
from appliance.model.access import CHANGE, LOOK
from appliance.model.addresses import hub_address
from appliance.model.errors import NotFound, PreconditionFailed, Refused
from appliance.model.expectations import ExpectationBroken
from appliance.model.organization import Machine
from appliance.model.policy import Selector, SelectorKind
from appliance.service import machines, policy
from appliance.service.machine_versions import Condition
from appliance.service.observed import ObservedMachine
from appliance.web.pages import forcing, machine_connection, machine_list, platforms, qr, words
from appliance.web.pages.forms import Form
from appliance.web.pages.outcomes import Outcome, Reply
from appliance.web.pages.routes import LIVE, Again, Page, Visit
from appliance.web.pages.undo import Undo
from appliance.web.pages.view import PagePart
from appliance.web.response import Response


def _add(visit: Visit) -> Response:
    form = visit.form
    try:
        visit.site.limits.configuration(visit.request.address, visit.actor.organization_id)
        issued = machines.add(
            visit.context,
            visit.actor,
            name=form.text("name"),
            groups=words.parse_groups(form.text("groups")),
            public_key=form.optional("public_key"),
            force=forcing.is_forced(visit),
        )
    except ExpectationBroken as refusal:
        return forcing.ask(visit, refusal, back="/machines")
    except Refused as refusal:
        return machine_list.table(visit, refusal)
    return _configuration(
        visit,
        issued,
        _("Added: {machine}", machine=issued.machine.name),
        machine_connection.new_part(visit, issued.machine),
    )


def _change(visit: Visit) -> Response:
    machine_id = visit.parameters["id"]
    before = machines.get(visit.context, visit.actor, machine_id).machine
    try:
        after = _change_as_in_form(visit, machine_id).machine
    except ExpectationBroken as refusal:
        return forcing.ask(visit, refusal, back=f"/machines/{machine_id}")
    except Refused as refusal:
        return _one(visit, refusal=refusal, refused_form="change")
    return visit.done("/machines", "changed", _reverse(before, after))


def _change_as_in_form(visit: Visit, machine_id: str) -> ObservedMachine:
    form = visit.form
    return machines.change(
        visit.context,
        visit.actor,
        machine_id,
        name=form.text("name"),
        groups=words.parse_groups(form.text("groups")),
        seen=_seen(form),
        force=forcing.is_forced(visit),
    )


def _reverse(before: Machine, after: Machine) -> Undo | None:
    if (before.name, set(before.groups)) == (after.name, set(after.groups)):
        return None
    fields = {"name": before.name, "groups": words.group_list(before.groups)}
    return Undo(f"/machines/{after.id}/undo", {**fields, **_seen_fields(after)})


def _seen_fields(machine: Machine) -> dict[str, str]:
    """Fields of a form with what it was made for, so that a change by somebody else is not overwritten."""
    return {"seen_name": machine.name, "seen_groups": words.group_list(machine.groups)}


def _seen(form: Form) -> Condition | None:
    """Make the condition that a machine is as the form was made for; None if the form has no such fields."""
    if "seen_name" not in form.fields:
        return None
    seen = form.text("seen_name"), set(words.parse_groups(form.text("seen_groups")))
    return lambda machine: (machine.name, set(machine.groups)) == seen


def _seen_key(form: Form) -> Condition | None:
    """Make the condition that the key is the one that the form was shown for; None if it has no such field."""
    if "seen_key" not in form.fields:
        return None
    seen = form.text("seen_key")
    return lambda machine: machine.public_key == seen


def _undo(visit: Visit) -> Response:
    machine_id = visit.parameters["id"]
    try:
        _change_as_in_form(visit, machine_id)
    except ExpectationBroken as refusal:
        return forcing.ask(visit, refusal, back=f"/machines/{machine_id}")
    except NotFound:
        raise
    except Refused as refusal:
        return _one(visit, refusal=refusal, refused_form="undo")
    return visit.done("/machines", "undone")


def _ask_rotation(visit: Visit, refusal: Refused | None = None) -> Response:
    visit.actor.must_change()
    return visit.page(
        "machine_rotate.html",
        refusal=refusal,
        seen=machines.get(visit.context, visit.actor, visit.parameters["id"]),
        typed=visit.form,
    )


def _rotate(visit: Visit) -> Response:
    try:
        visit.site.limits.configuration(visit.request.address, visit.actor.organization_id)
        issued = machines.rotate(
            visit.context,
            visit.actor,
            visit.parameters["id"],
            public_key=visit.form.optional("public_key"),
            seen=_seen_key(visit.form),
        )
    except Refused as refusal:
        return _ask_rotation(visit, refusal)
    return _configuration(
        visit,
        issued,
        _("New key for {machine}", machine=issued.machine.name),
        machine_connection.new_part(visit, issued.machine),
    )


def _show_configuration(visit: Visit) -> Response:
    issued = machines.configured(visit.context, visit.actor, visit.parameters["id"])
    seen = machines.get(visit.context, visit.actor, issued.machine.id)
    return _configuration(
        visit, issued, _("For {machine}", machine=issued.machine.name), machine_connection.part(visit, seen, None)
    )


def _ask_disabling(visit: Visit) -> Response:
    visit.actor.must_change()
    return visit.page("machine_disable.html", seen=machines.get(visit.context, visit.actor, visit.parameters["id"]))


def _disable(visit: Visit) -> Response:
    machines.change(visit.context, visit.actor, visit.parameters["id"], enabled=False)
    machine_id = visit.parameters["id"]
    return visit.done(f"/machines/{machine_id}", "disabled", Undo(f"/machines/{machine_id}/enable"))


def _enable(visit: Visit) -> Response:
    machine_id = visit.parameters["id"]
    try:
        visit.site.limits.enabling(visit.request.address, visit.actor.organization_id)
        machines.change(visit.context, visit.actor, machine_id, enabled=True)
    except Refused as refusal:
        return _one(visit, refusal=refusal, refused_form="enable")
    return visit.done(f"/machines/{machine_id}", "enabled")


def _ask_removal(visit: Visit) -> Response:
    visit.actor.must_change()
    seen = machines.get(visit.context, visit.actor, visit.parameters["id"])
    about_it = Selector(SelectorKind.MACHINE, seen.machine.id)
    rules = policy.get(visit.context, visit.actor).policy.rules
    affected = sum(about_it in (rule.source, rule.destination) for rule in rules)
    return visit.page("machine_remove.html", seen=seen, affected=affected)


def _remove(visit: Visit) -> Response:
    machines.remove(visit.context, visit.actor, visit.parameters["id"])
    return visit.done("/machines", "removed")


def _one(visit: Visit, refusal: Refused | None = None, refused_form: str = "") -> Response:
    seen = machines.get(visit.context, visit.actor, visit.parameters["id"])
    as_it_is = {"name": seen.machine.name, "groups": words.group_list(seen.machine.groups)}
    typed = visit.form.fields if refused_form == "change" else as_it_is
    # A refusal because of another change tells what that was.
    known = {} if isinstance(refusal, PreconditionFailed) else typed
    return visit.page(
        "machine.html",
        refusal=refusal,
        refused_form=refused_form,
        seen=seen,
        facts=_facts(visit, seen),
        typed=Form(typed),
        made_for={name: known.get(name, text) for name, text in _seen_fields(seen.machine).items()},
    )


def _facts(visit: Visit, seen: ObservedMachine) -> PagePart:
    return visit.part("machine_facts.html", seen=seen, now=visit.context.clock())


def _poll(visit: Visit) -> Response:
    return visit.polled(_facts(visit, machines.get(visit.context, visit.actor, visit.parameters["id"])))


def _configuration(visit: Visit, issued: machines.IssuedMachine, heading: str, connection: PagePart) -> Reply:
    """Render a configuration in the answer to the POST, since a private key leaves this process only once."""
    text = issued.configuration.text()
    has_private_key = issued.configuration.private_key is not None
    again = f"/machines/{issued.machine.id}"
    return visit.shown_once(
        "configuration.html",
        Outcome(again, "key-shown") if has_private_key else Outcome(f"{again}/configuration"),
        machine=issued.machine,
        connection=connection,
        text=text,
        file_name=issued.machine.file_name,
        download="data:application/octet-stream;charset=utf-8," + quote(text, safe=""),
        qr_code=qr.picture(issued.configuration.without_comments()) if has_private_key else None,
        platforms=platforms.PLATFORMS,
        values=platforms.values(issued.configuration, issued.machine.file_name),
        hub_address=hub_address(issued.configuration.network),
        heading=heading,
    )


def _again(form: str, *fields: str) -> Again:
    return Again(lambda visit, refusal: _one(visit, refusal, form), fields)


PAGES = (
    Page("POST", "/machines", _add, access=CHANGE, again=Again(machine_list.table, ("name", "groups", "public_key"))),
    Page("GET", "/machines/<id>", _one, access=LOOK),
    Page("GET", f"/machines/<id>{LIVE}", _poll, access=LOOK, polled=True),
    Page(
        "POST",
        "/machines/<id>",
        _change,
        access=CHANGE,
        again=_again("change", "name", "groups", "seen_name", "seen_groups"),
    ),
    Page("GET", "/machines/<id>/configuration", _show_configuration, access=LOOK),
    Page("GET", "/machines/<id>/rotate", _ask_rotation, access=CHANGE),
    Page("POST", "/machines/<id>/rotate", _rotate, access=CHANGE, again=Again(_ask_rotation, ("public_key",))),
    Page("GET", "/machines/<id>/disable", _ask_disabling, access=CHANGE),
    Page("POST", "/machines/<id>/disable", _disable, access=CHANGE, again=Again.by(_ask_disabling)),
    Page("POST", "/machines/<id>/undo", _undo, access=CHANGE, again=Again.by(_one)),
    Page("POST", "/machines/<id>/enable", _enable, access=CHANGE, again=_again("enable")),
    Page("GET", "/machines/<id>/remove", _ask_removal, access=CHANGE),
    Page("POST", "/machines/<id>/remove", _remove, access=CHANGE, again=Again.by(_ask_removal)),
)
