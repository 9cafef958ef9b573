"""The policy, what it would decide, and what it has decided."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from appliance.model.access import CHANGE, LOOK
from appliance.model.desired import RuleCount
from appliance.model.errors import Invalid
from appliance.model.ids import new_id
from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, format_ports, parse_ports
from appliance.service import policy as policies
from appliance.store.policies import Saved
from appliance.web.api.routes import Asked, Call
from appliance.web.api.schemas import Body


class RuleBody(Body, frozen=True):
    action: str
    source: str
    destination: str
    protocol: str = "any"
    ports: str | None = None
    description: str = ""
    id: str | None = None


class SavePolicy(Body, frozen=True):
    default: str
    rules: list[RuleBody]
    version: int | None = None


class CheckPolicy(Body, frozen=True):
    source: str
    destination: str
    protocol: str | None = None
    port: int | None = None


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
        return cls(
            id=rule.id,
            action=rule.action.value,
            source=str(rule.source),
            destination=str(rule.destination),
            protocol=rule.protocol.value,
            ports=format_ports(rule.ports),
            description=rule.description,
        )


class PolicyAnswer(msgspec.Struct, frozen=True):
    default: str
    rules: list[RuleAnswer]
    version: int

    @classmethod
    def of(cls, saved: Saved) -> PolicyAnswer:
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


def _policy(asked: Asked) -> PolicyAnswer:
    return PolicyAnswer.of(policies.get(asked.site.workplace, asked.actor))


def _save_policy(asked: Asked) -> PolicyAnswer:
    body: SavePolicy = asked.body
    policy = Policy(read_action(body.default, "default"), tuple(read_rule(rule) for rule in body.rules))
    return PolicyAnswer.of(policies.save(asked.site.workplace, asked.actor, policy, version=body.version))


def _add_rule(asked: Asked) -> RuleAnswer:
    return RuleAnswer.of(policies.add_rule(asked.site.workplace, asked.actor, read_rule(asked.body)))


def _remove_rule(asked: Asked) -> None:
    policies.remove_rule(asked.site.workplace, asked.actor, asked.parameters["id"])


def _check_policy(asked: Asked) -> VerdictAnswer:
    body: CheckPolicy = asked.body
    verdict = policies.check(
        asked.site.workplace,
        asked.actor,
        source=body.source,
        destination=body.destination,
        protocol=read_protocol(body.protocol or Protocol.ANY.value),
        port=body.port,
    )
    rule = RuleAnswer.of(verdict.rule) if verdict.rule is not None else None
    return VerdictAnswer(verdict.action.value, rule)


def _counters(asked: Asked) -> CountersAnswer:
    return CountersAnswer.of(policies.counters(asked.site.workplace, asked.actor))


def read_rule(body: RuleBody) -> Rule:
    """A rule as it was sent. Its id is ours to give: two organizations could send the same one."""
    return Rule(
        id=new_id(),
        action=read_action(body.action, "action"),
        source=Selector.parse(body.source, field="source"),
        destination=Selector.parse(body.destination, field="destination"),
        protocol=read_protocol(body.protocol),
        ports=parse_ports(body.ports or ""),
        description=body.description,
    )


def read_action(text: str, field: str) -> Action:
    """Raises `Invalid` unless it is allow or deny."""
    try:
        return Action(text)
    except ValueError:
        raise Invalid(f"The {field} is neither allow nor deny.", field=field) from None


def read_protocol(text: str) -> Protocol:
    """Raises `Invalid` unless it is any, tcp, udp or icmp."""
    try:
        return Protocol(text)
    except ValueError:
        raise Invalid("The protocol is not any, tcp, udp or icmp.", field="protocol") from None


CALLS = (
    Call("GET", "/policy", "The policy", _policy, answer=PolicyAnswer, access=LOOK),
    Call("PUT", "/policy", "Save the policy", _save_policy, SavePolicy, PolicyAnswer, access=CHANGE),
    Call("POST", "/policy/rules", "Add a rule", _add_rule, RuleBody, RuleAnswer, 201, access=CHANGE),
    Call("DELETE", "/policy/rules/{id}", "Remove a rule", _remove_rule, status=204, access=CHANGE),
    Call(
        "POST",
        "/policy/check",
        "What would become of a connection",
        _check_policy,
        CheckPolicy,
        VerdictAnswer,
        access=LOOK,
    ),
    Call("GET", "/policy/counters", "What each rule decided", _counters, answer=CountersAnswer, access=LOOK),
)
