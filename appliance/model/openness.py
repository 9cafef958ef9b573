"""Protocols that a policy leaves open between all machines."""

from __future__ import annotations

from dataclasses import replace

from appliance.model.policy import ANYONE, Action, Policy, Protocol
from appliance.model.port_ranges import HIGHEST_PORT, PortRange
from appliance.model.verdict import ConnectionEnd, decide

_ANYBODY = ConnectionEnd("")
_EVERY_PORT = (PortRange(1, HIGHEST_PORT),)


def open_protocols(policy: Policy) -> frozenset[Protocol]:
    """Protocols that any machine may use to any other one on all ports, apart from what narrower rules deny."""
    general = Policy(
        policy.default,
        tuple(
            replace(rule, ports=()) if rule.ports == _EVERY_PORT else rule
            for rule in policy.rules
            if rule.source == rule.destination == ANYONE
        ),
    )
    return frozenset(
        protocol for protocol in Protocol if decide(general, _ANYBODY, _ANYBODY, protocol).action is Action.ALLOW
    )
