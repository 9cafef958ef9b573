"""Policy: read, save, evaluate, and count."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Annotated

import msgspec

from appliance.model.access import CHANGE, LOOK
from appliance.model.desired import RuleCount
from appliance.model.errors import NotEnforced, NotFound
from appliance.model.names import LONGEST_NAME
from appliance.model.policy import LONGEST_DESCRIPTION, Action, Policy, Protocol, Rule
from appliance.model.port_ranges import HIGHEST_PORT, MOST_PORT_RANGES
from appliance.service import policy as policies
from appliance.service import policy_saves
from appliance.store.policies import SavedPolicy
from appliance.web import conditions
from appliance.web.answer_cache import EncodedAnswer
from appliance.web.api.reply import Encoded, Timed
from appliance.web.api.routes import ApiCall, Route
from appliance.web.api.schemas import Body, text

# ETag of a version, as made by `_etag`.
_VERSION = re.compile(r'"(0|[1-9][0-9]{0,17})"', re.ASCII)

ActionText = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [each.value for each in Action]})]
ProtocolText = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [each.value for each in Protocol]})]
End = Annotated[
    str,
    text("`any`, `machine:<id>` or `group:<name>`.", len("group:") + LONGEST_NAME, examples=["group:branches"]),
]
_PORTS = f"at most {MOST_PORT_RANGES} ports and ranges"
Description = Annotated[str, text("Anything on one line.", LONGEST_DESCRIPTION, shortest=0)]


class RuleBody(Body, frozen=True):
    action: ActionText
    source: End
    destination: End
    protocol: ProtocolText = "any"
    ports: Annotated[
        str | None,
        msgspec.Meta(description=f"For tcp and udp, {_PORTS}; all if null.", examples=["22,80,8000-8100"]),
    ] = None
    description: Description = ""
    id: Annotated[
        str | None, msgspec.Meta(description="Ignored, since the service chooses ids; so rules can be sent back.")
    ] = None


class ChangeRule(Body, frozen=True):
    action: ActionText | None = None
    source: End | None = None
    destination: End | None = None
    protocol: ProtocolText | None = None
    ports: Annotated[
        str | None,
        msgspec.Meta(
            description=f"For tcp and udp, {_PORTS}; empty or `all` for all; null leaves them as they are.",
            examples=["22,80"],
        ),
    ] = None
    description: Description | None = None
    id: Annotated[str | None, msgspec.Meta(description="Ignored, so that rules can be sent back.")] = None


class SavePolicy(Body, frozen=True):
    default: ActionText
    rules: Annotated[list[RuleBody], msgspec.Meta(description=f"At most {policy_saves.MOST_RULES:,}.")]
    version: Annotated[
        int | None, msgspec.Meta(description="Version that you have seen: 409 if it has changed meanwhile.")
    ] = None


class CheckPolicy(Body, frozen=True):
    source: Annotated[str, msgspec.Meta(description="A machine: `machine:<id>`, or its id.")]
    destination: Annotated[str, msgspec.Meta(description="A machine, in the same form.")]
    protocol: Annotated[
        str | None, msgspec.Meta(extra_json_schema={"enum": [*(each.value for each in Protocol), None]})
    ] = None
    port: Annotated[
        int | None,
        msgspec.Meta(description="Port of tcp or udp.", extra_json_schema={"minimum": 1, "maximum": HIGHEST_PORT}),
    ] = None


class RuleAnswer(msgspec.Struct, frozen=True):
    id: str
    action: str
    source: str
    destination: str
    protocol: str
    ports: str
    description: str

    @classmethod
    def of(cls, rule: Rule) -> RuleAnswer:
        return cls(id=rule.id, **rule.parts)


class PolicyAnswer(msgspec.Struct, frozen=True):
    default: str
    rules: list[RuleAnswer]
    version: int

    @classmethod
    def of(cls, saved: SavedPolicy) -> PolicyAnswer:
        return cls(saved.policy.default.value, [RuleAnswer.of(rule) for rule in saved.policy.rules], saved.version)


class RuleCountAnswer(msgspec.Struct, frozen=True):
    rule: str
    packets: int
    bytes: int


class CountersAnswer(msgspec.Struct, frozen=True):
    rules: list[RuleCountAnswer]
    unmatched_packets: int
    unmatched_bytes: int

    @classmethod
    def of(cls, counts: Mapping[str | None, RuleCount]) -> CountersAnswer:
        unmatched = counts.get(None)
        return cls(
            [RuleCountAnswer(each.rule, each.packets, each.bytes) for each in counts.values() if each.rule is not None],
            unmatched.packets if unmatched is not None else 0,
            unmatched.bytes if unmatched is not None else 0,
        )


class VerdictAnswer(msgspec.Struct, frozen=True):
    verdict: str
    rule: RuleAnswer | None


def _policy(call: ApiCall) -> Encoded:
    version, known = policies.latest(call.context, call.actor)
    if conditions.has_it_already(call.request, _etag(version)):
        return Encoded(b"", _etag(version))

    def make() -> EncodedAnswer:
        saved = policies.get(call.context, call.actor) if known is None else SavedPolicy(known, version)
        return EncodedAnswer(saved.version, msgspec.json.encode(PolicyAnswer.of(saved)))

    found = call.site.answers.get(("policy", call.actor.organization_id), version, make)
    return Encoded(found.data, f'"{found.version}"')


def _save_policy(call: ApiCall) -> Timed:
    body: SavePolicy = call.body
    done = policies.save(
        call.context, call.actor, policy_of(body), version=body.version, seen=versions_seen(call), force=call.is_forced
    )
    return Timed(PolicyAnswer.of(done.result), done.enforced_s)


def _add_rule(call: ApiCall) -> Timed:
    done = policies.add_rule(call.context, call.actor, _rule(call.body), seen=versions_seen(call), force=call.is_forced)
    return Timed(RuleAnswer.of(done.result), done.enforced_s)


def _change_rule(call: ApiCall) -> Timed:
    body: ChangeRule = call.body
    given = msgspec.structs.asdict(body)
    parts = {name: value for name, value in given.items() if name != "id" and value is not None}
    done = policies.change_rule(
        call.context, call.actor, call.parameters["id"], parts, seen=versions_seen(call), force=call.is_forced
    )
    return Timed(RuleAnswer.of(done.result), done.enforced_s)


def _remove_rule(call: ApiCall) -> Timed:
    done = policies.remove_rule(
        call.context, call.actor, call.parameters["id"], seen=versions_seen(call), force=call.is_forced
    )
    return Timed(done.result, done.enforced_s)


def versions_seen(call: ApiCall) -> Collection[int] | None:
    """List the versions of the policy that the caller has seen; None if the request has no condition."""
    tags = conditions.tags_seen(call.request)
    return None if tags is None else [int(found[1]) for tag in tags if (found := _VERSION.fullmatch(tag))]


def _etag(version: int) -> str:
    return f'"{version}"'


def etag_of(answer: PolicyAnswer) -> str:
    return _etag(answer.version)


def _check_policy(call: ApiCall) -> VerdictAnswer:
    body: CheckPolicy = call.body
    verdict = policies.check(
        call.context,
        call.actor,
        source=body.source,
        destination=body.destination,
        protocol=Protocol.parse(body.protocol or Protocol.ANY.value),
        port=body.port,
    )
    rule = RuleAnswer.of(verdict.rule) if verdict.rule is not None else None
    return VerdictAnswer(verdict.action.value, rule)


def _counters(call: ApiCall) -> Encoded:
    reading = policies.counters(call.context, call.actor)

    def make() -> EncodedAnswer:
        return EncodedAnswer(reading.began, msgspec.json.encode(CountersAnswer.of(reading.value)))

    found = call.site.answers.get(("counters", call.actor.organization_id), reading.began, make)
    return Encoded(found.data, conditions.etag_of(found.data))


def policy_of(body: SavePolicy) -> Policy:
    """Parse a policy, in which every rule has a new id.

    Raises:
        Invalid: it is too long, or a part of it is not of its form.
    """
    policy_saves.check_listing([rule.ports for rule in body.rules])
    return Policy(Action.parse(body.default, field="default"), tuple(map(_rule, body.rules)))


def _rule(body: RuleBody) -> Rule:
    """Parse a rule, with a new id: two organizations could send the same one."""
    return Rule.parse(
        action=body.action,
        source=body.source,
        destination=body.destination,
        protocol=body.protocol,
        ports=body.ports or "",
        description=body.description,
    )


policy_change = partial(
    Route, query=("force",), access=CHANGE, takes_condition=True, is_timed=True, refusals=(NotEnforced,)
)
"""Make the row of a call that changes the policy."""

ROUTES = (
    Route("GET", "/policy", "The policy", _policy, answer=PolicyAnswer, access=LOOK, refusals=(NotFound,)),
    policy_change("PUT", "/policy", "Save the policy", _save_policy, SavePolicy, PolicyAnswer, etag=etag_of),
    policy_change("POST", "/policy/rules", "Add a rule", _add_rule, RuleBody, RuleAnswer, 201, keeps_answer=True),
    policy_change(
        "PATCH",
        "/policy/rules/{id}",
        "Change parts of a rule; it moves to the end, which changes no verdict",
        _change_rule,
        ChangeRule,
        RuleAnswer,
    ),
    policy_change("DELETE", "/policy/rules/{id}", "Remove a rule", _remove_rule, status=204),
    Route(
        "POST",
        "/policy/check",
        "Evaluate the policy for a connection, its replies and ICMP errors about it",
        _check_policy,
        CheckPolicy,
        VerdictAnswer,
        access=LOOK,
        keeps_answer=True,
    ),
    Route("GET", "/policy/counters", "Packets and bytes by rule", _counters, answer=CountersAnswer, access=LOOK),
)
