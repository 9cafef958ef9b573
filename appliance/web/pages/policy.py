"""Pages of the policy: default, rules, and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from appliance.languages import gettext as _
from appliance.model.access import CHANGE, LOOK
from appliance.model.desired import RuleCount
from appliance.model.errors import NotFound, Refused
from appliance.model.ids import new_id
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector
from appliance.model.verdict import ConnectionVerdict
from appliance.service import policy as policies
from appliance.web.pages import policy_forms, words
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

_PAGE_LENGTH = 50


@dataclass(frozen=True)
class RuleLine:
    """A rule as the page shows it; ``newly_decided`` is empty if it is unknown."""

    id: str
    denies: bool
    source: str
    destination: str
    service: str
    description: str
    decided: str
    newly_decided: str


@dataclass(frozen=True)
class VerdictLine:
    """A connection's verdict as the page shows it."""

    denied: bool
    source: str
    destination: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """A verdict, and the selectors that it is about."""

    verdict: ConnectionVerdict
    source: str
    destination: str


@dataclass(frozen=True)
class RefusedForm:
    """A refusal and the name of its form."""

    form: str
    error: Refused


def _save_default(visit: Visit) -> Response:
    try:
        default = Action.parse(visit.form.text("default"), field="default")
        return policy_forms.save(visit, lambda policy: policy.with_default(default))
    except Refused as error:
        return _page(visit, RefusedForm("default", error))


def _add_rule(visit: Visit) -> Response:
    try:
        rules = _typed_rules(visit)
        policy_forms.check_not_idle(visit, rules)
        return policy_forms.save(visit, lambda policy: policy.with_rules(rules), _last_page)
    except Refused as error:
        return _page(visit, RefusedForm("add", error))


def _remove_rule(visit: Visit) -> Response:
    try:
        start = visit.form.number("from") or 0
        return policy_forms.save(
            visit, lambda policy: _without(policy, visit.form.text("rule")), lambda _: _page_at(start)
        )
    except Refused as error:
        return _page(visit, RefusedForm("rules", error))


def _check(visit: Visit) -> Response:
    query = visit.query
    try:
        source, destination = policy_forms.typed_ends(visit, query)
        verdict = policies.check(
            visit.context,
            visit.actor,
            source=source,
            destination=destination,
            protocol=Protocol.parse(query.text("protocol", Protocol.ANY.value)),
            port=query.number("port"),
        )
    except Refused as error:
        return _page(visit, RefusedForm("check", error))
    return _page(visit, answer=Answer(verdict, source, destination))


def _typed_rules(visit: Visit) -> tuple[Rule, ...]:
    """Parse the form's rule; with "both ways", also its reverse."""
    rule = policy_forms.typed_rule(visit)
    if not visit.form.is_checked("both_ways") or rule.source == rule.destination:
        return (rule,)
    return rule, replace(rule, id=new_id(), source=rule.destination, destination=rule.source)


def _last_start(policy: Policy) -> int:
    return max(len(policy.rules) - 1, 0) // _PAGE_LENGTH * _PAGE_LENGTH


def _last_page(policy: Policy) -> str:
    return _page_at(_last_start(policy))


def _page_at(start: int) -> str:
    return f"/policy?from={start}" if start else "/policy"


def _without(policy: Policy, rule_id: str) -> Policy:
    after = policy.without_rules({rule_id})
    if after is policy:
        raise NotFound("This rule is gone already.")
    return after


def _page(visit: Visit, refusal: RefusedForm | None = None, answer: Answer | None = None) -> Response:
    saved = policies.get(visit.context, visit.actor)
    ends = policy_forms.ends(visit, saved.policy)
    names = ends.names
    start = min(visit.query.number("from") or 0, _last_start(saved.policy))
    shown = saved.policy.rules[start : start + _PAGE_LENGTH]
    counts, trend = policies.counters_and_trend(visit.context, visit.actor)
    recent = {} if trend is None else trend.packets
    return visit.page(
        "policy.html",
        refusal=refusal.error if refusal is not None else None,
        refused_form=refusal.form if refusal is not None else "",
        default=saved.policy.default.value,
        version=saved.version,
        rules=[_line(rule, names, counts.get(rule.id), recent.get(rule.id)) for rule in shown],
        unmatched=words.decided(counts.get(None)),
        recently_unmatched=words.newly_decided(recent.get(None)),
        since=words.ago(trend.since, visit.context.clock()) if trend is not None else "",
        rule_count=len(saved.policy.rules),
        start=start,
        following=start + _PAGE_LENGTH if start + _PAGE_LENGTH < len(saved.policy.rules) else None,
        ends=ends,
        typed=visit.form,
        asked=visit.query,
        verdict=_verdict_line(answer, names) if answer is not None else None,
    )


def _line(rule: Rule, names: Mapping[str, str], count: RuleCount | None, new: int | None) -> RuleLine:
    return RuleLine(
        rule.id,
        rule.action is Action.DENY,
        words.selector(rule.source, names),
        words.selector(rule.destination, names),
        words.service(rule.protocol, rule.ports),
        rule.description,
        words.decided(count),
        words.newly_decided(new),
    )


def _verdict_line(answer: Answer, names: Mapping[str, str]) -> VerdictLine:
    source, destination = (
        words.selector(Selector.parse(text, field=field), names)
        for field, text in (("source", answer.source), ("destination", answer.destination))
    )
    reason = (
        _("because no rule matches, and this is the default")
        if answer.verdict.rule is None
        else _("by the rule: {rule}", rule=words.rule_sentence(answer.verdict.rule, names))
    )
    return VerdictLine(answer.verdict.action is Action.DENY, source, destination, reason)


def _again(form: str, *fields: str) -> Again:
    return Again(lambda visit, refused: _page(visit, RefusedForm(form, refused) if refused else None), fields)


PAGES = (
    Page("GET", "/policy", _page, access=LOOK),
    Page("GET", "/policy/check", _check, access=LOOK),
    Page("POST", "/policy/default", _save_default, access=CHANGE, again=_again("default")),
    Page(
        "POST", "/policy/rules", _add_rule, access=CHANGE, again=_again("add", *policy_forms.RULE_FIELDS, "both_ways")
    ),
    Page("POST", "/policy/rules/remove", _remove_rule, access=CHANGE, again=_again("rules")),
)
