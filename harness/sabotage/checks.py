"""Sabotages of checks, which answer from the saved policy whether a connection is allowed."""

from __future__ import annotations

from dataclasses import replace

from appliance.model.policy import Policy, Protocol
from appliance.model.verdict import ConnectionEnd, ConnectionVerdict
from appliance.model.verdict import decide as decide_right
from appliance.service import policy as policies
from harness.sabotage.parts import replace_part


def decide_by_the_first_rule() -> None:
    """Answers a check by the first rule that matches, in place of the first that denies."""

    def decide(
        policy: Policy, source: ConnectionEnd, destination: ConnectionEnd, protocol: Protocol, port: int | None
    ) -> ConnectionVerdict:
        for rule in policy.rules:
            alone = replace(policy, rules=(rule,))
            verdict = decide_right(alone, source, destination, protocol, port)
            if verdict.rule is not None:
                return verdict
        return ConnectionVerdict(policy.default)

    replace_part(policies, "decide", decide)
