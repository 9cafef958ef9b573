"""Verdicts of policies on connections.

The order of rules does not matter: any matching deny rule decides, else any matching allow rule, else the default.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.model.policy import Action, Policy, Protocol, Rule, Selector, SelectorKind


@dataclass(frozen=True)
class ConnectionEnd:
    """A machine as one end of a connection."""

    id: str
    groups: frozenset[str] = field(default_factory=frozenset)

    def matches(self, selector: Selector) -> bool:
        """True if the selector names this machine."""
        if selector.kind is SelectorKind.ANY:
            return True
        if selector.kind is SelectorKind.MACHINE:
            return selector.name == self.id
        return selector.name in self.groups


@dataclass(frozen=True)
class ConnectionVerdict:
    """Decision about a connection, with the rule that made it (None for the default)."""

    action: Action
    rule: Rule | None = None


def decide(
    policy: Policy,
    source: ConnectionEnd,
    destination: ConnectionEnd,
    protocol: Protocol = Protocol.ANY,
    port: int | None = None,
) -> ConnectionVerdict:
    """Decide about a connection that ``source`` opens to ``destination``.

    Args:
        protocol: ANY stands for a protocol that no rule can name, such as GRE: only rules for any protocol match.
        port: the destination's; with None only rules for all ports match.
    """

    def matches(rule: Rule) -> bool:
        return (
            source.matches(rule.source)
            and destination.matches(rule.destination)
            and rule.protocol in (Protocol.ANY, protocol)
            and (not rule.ports or (port is not None and any(port in ports for ports in rule.ports)))
        )

    for action in (Action.DENY, Action.ALLOW):
        for rule in policy.rules:
            if rule.action is action and matches(rule):
                return ConnectionVerdict(action, rule)
    return ConnectionVerdict(policy.default)
