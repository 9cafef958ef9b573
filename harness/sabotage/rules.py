"""Breaks of the rules that the kernel gets."""

from __future__ import annotations

import time
from dataclasses import replace

from appliance.hub import ruleset
from appliance.hub.nft import Rulesets
from appliance.model.desired import Desired
from appliance.model.policy import Policy

_verdicts = ruleset.verdicts
_load = Rulesets.load


def let_established_flows_go_on() -> None:
    """What many firewalls begin with."""

    def verdicts(desired: Desired) -> str:
        flush, rest = _verdicts(desired).split("\nadd ", 1)
        passing = f"rule inet {ruleset.TABLE} judge ct state established meta mark set {ruleset.ALLOWED_MARK:#x} accept"
        return f"{flush}\nadd {passing}\nadd {rest}"

    ruleset.verdicts = verdicts


def deny_both_directions() -> None:
    """Every rule gets a twin that runs the other way."""

    def verdicts(desired: Desired) -> str:
        twins = tuple(replace(rule, source=rule.destination, destination=rule.source) for rule in desired.policy.rules)
        return _verdicts(replace(desired, policy=Policy(desired.policy.default, desired.policy.rules + twins)))

    ruleset.verdicts = verdicts


def flush_then_load() -> None:
    """Two transactions with a gap between them, as a script with two calls of nft would have."""

    def load(self: Rulesets, name: str, text: str) -> None:
        if text.startswith("flush chain"):
            flushes = [line for line in text.splitlines() if line.startswith("flush chain")]
            _load(self, name, "\n".join(flushes) + "\n")
            time.sleep(0.02)
        _load(self, name, text)

    Rulesets.load = load  # type: ignore[method-assign]
