"""What a policy leaves open to everybody."""

from __future__ import annotations

from appliance.model.policy import ANYONE, Action, Party, Policy, Protocol, decide

_ANYBODY = Party("")


def open_protocols(policy: Policy) -> frozenset[Protocol]:
    """Protocols by which any machine may reach any other one on all ports, but for what a narrower rule denies."""
    general = Policy(policy.default, tuple(rule for rule in policy.rules if rule.source == rule.destination == ANYONE))
    return frozenset(
        protocol for protocol in Protocol if decide(general, _ANYBODY, _ANYBODY, protocol).action is Action.ALLOW
    )
