"""Page of one rule of the policy, with the form that changes it."""

from __future__ import annotations

from dataclasses import replace

from appliance.model.access import CHANGE, LOOK
from appliance.model.errors import NotFound, Refused
from appliance.model.policy import Action, Policy, Rule
from appliance.service import policy as policies
from appliance.web.pages import decided_packets, policy_forms, words
from appliance.web.pages.forms import Form
from appliance.web.pages.routes import Again, Page, Visit
from appliance.web.response import Response

_PATH = "/policy/rules/<id>"


def _change(visit: Visit) -> Response:
    rule_id = visit.parameters["id"]
    try:
        changed = replace(policy_forms.typed_rule(visit), id=rule_id)
        policy_forms.check_not_idle(visit, [changed], replaced={rule_id})
        return policy_forms.save(visit, lambda policy: _with_changed(policy, changed))
    except Refused as error:
        return _show(visit, error)


def _show(visit: Visit, refusal: Refused | None = None) -> Response:
    saved = policies.get(visit.context, visit.actor)
    rule = _find(saved.policy, visit.parameters["id"])
    ends = policy_forms.ends(visit, saved.policy)
    counts = policies.counters(visit.context, visit.actor).value
    return visit.page(
        "policy_rule.html",
        refusal=refusal,
        version=saved.version,
        path=f"/policy/rules/{rule.id}",
        denies=rule.action is Action.DENY,
        sentence=words.rule_sentence(rule, ends.names),
        description=rule.description,
        decided=words.decided(counts.get(rule.id)),
        charts=decided_packets.charts(visit, rule.id),
        opposite=_turned(rule).parts,
        typed=visit.form if visit.form.fields else Form({**rule.parts, "ports": _ports(rule)}),
        ends=ends,
    )


def _find(policy: Policy, rule_id: str) -> Rule:
    found = policy.by_id.get(rule_id)
    if found is None:
        raise NotFound("This rule is gone. It was removed, or the whole policy was saved anew.")
    return found


def _with_changed(policy: Policy, changed: Rule) -> Policy:
    """Replace the rule of this id; it moves to the end, so that only it is written."""
    if _find(policy, changed.id) == changed:
        return policy
    return policy.changed({changed.id}, [changed])


def _turned(rule: Rule) -> Rule:
    return replace(rule, action=Action.ALLOW if rule.action is Action.DENY else Action.DENY)


def _ports(rule: Rule) -> str:
    return rule.parts["ports"] if rule.ports else ""


PAGES = (
    Page("GET", _PATH, _show, access=LOOK),
    Page("POST", _PATH, _change, access=CHANGE, again=Again(_show, policy_forms.RULE_FIELDS)),
)
