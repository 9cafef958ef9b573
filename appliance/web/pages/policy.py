"""Pages of the policy: default, rules, and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from appliance.model.access import CHANGE, LOOK
from appliance.model.desired import RuleCount
from appliance.model.errors import Conflict, NotFound, Refused
from appliance.model.ids import new_id
from appliance.model.openness import open_protocols
from appliance.model.organization import Machine
from appliance.model.plural import plural
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.verdict import ConnectionVerdict
from appliance.service import machines
from appliance.service import policy as policies
from appliance.web.pages import forms, words
from appliance.web.pages.forms import Form
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

_PAGE_LENGTH = 200


@dataclass(frozen=True)
class RuleLine:
    """A rule as the page shows it."""

    id: str
    denies: bool
    source: str
    destination: str
    service: str
    description: str
    decided: str


@dataclass(frozen=True)
class VerdictLine:
    """A connection's verdict as the page shows it."""

    denied: bool
    source: str
    destination: str
    reason: str


class Idle(Conflict):
    """A new rule would change nothing because of an existing one; the visitor may add it all the same."""

    code = "idle-rule"

    def __init__(self, rule: Rule, because: Rule, names: Mapping[str, str]) -> None:
        description = f" ({because.description})" if because.description else ""
        super().__init__(
            f"Not added: {words.sentence(rule, names)} would change nothing, because there is this rule: "
            f"{words.sentence(because, names)}{description}."
        )


@dataclass(frozen=True)
class RefusedForm:
    """A refusal and the name of its form."""

    form: str
    error: Refused


def _save_default(visit: Visit) -> Response:
    try:
        default = Action.parse(visit.form.text("default"), field="default")
        return _save(visit, lambda policy: policy.with_default(default))
    except Refused as error:
        return _page(visit, RefusedForm("default", error))


def _add_rule(visit: Visit) -> Response:
    try:
        rules = _typed_rules(visit.form)
        if not visit.form.is_checked("idle"):
            _check_not_idle(visit, rules)
        return _save(visit, lambda policy: policy.with_rules(rules))
    except Refused as error:
        return _page(visit, RefusedForm("add", error))


def _remove_rule(visit: Visit) -> Response:
    try:
        return _save(visit, lambda policy: _without(policy, visit.form.text("rule")))
    except Refused as error:
        return _page(visit, RefusedForm("rules", error))


def _check(visit: Visit) -> Response:
    query = visit.query
    try:
        verdict = policies.check(
            visit.context,
            visit.actor,
            source=query.text("source"),
            destination=query.text("destination"),
            protocol=Protocol.parse(query.text("protocol", Protocol.ANY.value)),
            port=query.number("port"),
        )
    except Refused as error:
        return _page(visit, RefusedForm("check", error))
    return _page(visit, verdict=verdict)


def _save(visit: Visit, change: Callable[[Policy], Policy]) -> Response:
    """Apply a change to the policy that the form was shown with; raises `Conflict` if there is a newer one."""
    version = visit.form.number("version")
    visit.actor.must_change()
    before = policies.get(visit.context, visit.actor)
    after = change(before.policy)
    opened = open_protocols(after) - open_protocols(before.policy)
    # For an outdated version no question is needed: the save is refused.
    if opened and not visit.form.is_checked("confirmed") and version in (None, before.version):
        return _ask_opening(visit, opened)
    policies.save(visit.context, visit.actor, after, version=before.version if version is None else version)
    return visit.done("/policy", "saved")


def _ask_opening(visit: Visit, opened: Collection[Protocol]) -> Response:
    """Render the question whether to allow everybody; its form sends the same input with a confirmation."""
    return visit.page(
        "policy_open.html",
        action=visit.request.path,
        sent=visit.form.without(forms.CSRF_FIELD, forms.ONCE_FIELD),
        services=[words.protocol(each) for each in Protocol if each in opened and each is not Protocol.ANY],
        is_all=Protocol.ANY in opened,
    )


def _typed_rules(form: Form) -> tuple[Rule, ...]:
    """Parse the form's rule; with "both ways", also its reverse."""
    rule = Rule.parse(
        action=form.text("action"),
        source=form.text("source"),
        destination=form.text("destination"),
        protocol=form.text("protocol", Protocol.ANY.value),
        ports=form.text("ports"),
        description=form.text("description").strip(),
    )
    if not form.is_checked("both_ways") or rule.source == rule.destination:
        return (rule,)
    return rule, replace(rule, id=new_id(), source=rule.destination, destination=rule.source)


def _check_not_idle(visit: Visit, rules: Collection[Rule]) -> None:
    """Raise `Idle` if a rule would change nothing."""
    saved = policies.get(visit.context, visit.actor)
    if visit.form.number("version") not in (None, saved.version):
        return
    for rule in rules:
        reason = saved.policy.rule_covering(rule)
        if reason is not None:
            names = {each.id: each.name for each in _machines(visit)}
            raise Idle(rule, reason, names)


def _without(policy: Policy, rule_id: str) -> Policy:
    after = policy.without_rules({rule_id})
    if after is policy:
        raise NotFound("This rule is gone already.")
    return after


def _page(visit: Visit, refusal: RefusedForm | None = None, verdict: ConnectionVerdict | None = None) -> Response:
    saved = policies.get(visit.context, visit.actor)
    everyone = _machines(visit)
    names = {each.id: each.name for each in everyone}
    groups = {group for each in everyone for group in each.groups}
    for rule in saved.policy.rules:
        groups |= {end.name for end in (rule.source, rule.destination) if end.kind is SelectorKind.GROUP}
    start = min(visit.query.number("from") or 0, len(saved.policy.rules))
    shown = saved.policy.rules[start : start + _PAGE_LENGTH]
    counts = policies.counters(visit.context, visit.actor).value
    return visit.page(
        "policy.html",
        refusal=refusal.error if refusal is not None else None,
        refused_form=refusal.form if refusal is not None else "",
        default=saved.policy.default.value,
        version=saved.version,
        rules=[_line(rule, names, counts.get(rule.id)) for rule in shown],
        unmatched=_decided(counts.get(None)),
        rule_count=len(saved.policy.rules),
        start=start,
        following=start + _PAGE_LENGTH if start + _PAGE_LENGTH < len(saved.policy.rules) else None,
        machines=sorted(names.items(), key=lambda item: item[1].casefold()),
        groups=sorted(groups, key=str.casefold),
        typed=visit.form,
        asked=visit.query,
        verdict=_verdict_line(verdict, visit.query, names) if verdict is not None else None,
    )


def _machines(visit: Visit) -> list[Machine]:
    found: list[Machine] = []
    after = None
    while True:
        seen, after = machines.page(visit.context, visit.actor, after=after)
        found += [each.machine for each in seen]
        if after is None:
            return found


def _decided(count: RuleCount | None) -> str:
    return (
        "unknown"
        if count is None
        else f"{count.packets:,} {plural(count.packets, 'packet')}, {words.size(count.bytes)}"
    )


def _line(rule: Rule, names: dict[str, str], count: RuleCount | None) -> RuleLine:
    return RuleLine(
        rule.id,
        rule.action is Action.DENY,
        words.selector(rule.source, names),
        words.selector(rule.destination, names),
        words.service(rule),
        rule.description,
        _decided(count),
    )


def _verdict_line(verdict: ConnectionVerdict, query: Form, names: dict[str, str]) -> VerdictLine:
    ends = [words.selector(Selector.parse(query.text(end), field=end), names) for end in ("source", "destination")]
    reason = (
        "because no rule matches, and this is the default"
        if verdict.rule is None
        else f"by the rule: {words.sentence(verdict.rule, names)}"
    )
    return VerdictLine(verdict.action is Action.DENY, ends[0], ends[1], reason)


_RULE_FIELDS = ("action", "source", "destination", "protocol", "ports", "description", "both_ways")


def _again(form: str, *fields: str) -> Again:
    return Again(lambda visit, refused: _page(visit, RefusedForm(form, refused) if refused else None), fields)


PAGES = (
    Page("GET", "/policy", _page, access=LOOK),
    Page("GET", "/policy/check", _check, access=LOOK),
    Page("POST", "/policy/default", _save_default, access=CHANGE, again=_again("default")),
    Page("POST", "/policy/rules", _add_rule, access=CHANGE, again=_again("add", *_RULE_FIELDS)),
    Page("POST", "/policy/rules/remove", _remove_rule, access=CHANGE, again=_again("rules")),
)
