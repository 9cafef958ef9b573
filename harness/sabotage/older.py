"""Older releases of the hub's compiler, made of today's.

A hub that starts over their rules, which the release itself has loaded and noted, has to replace them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from appliance.hub.kernel.nft import Rulesets
from appliance.hub.ruleset import ALLOWED_MARK, Ruleset, Statements
from appliance.model.desired import Desired
from harness.sabotage.rules import change_chain, change_rulesets

_LED = re.compile(r"\b(jump|goto) (\w+)")
_SECOND_TABLE = """
add table inet older
add chain inet older stop { type filter hook forward priority -10; policy accept; }
add rule inet older stop tcp dport 22 drop
"""
_load = Rulesets.load


def open_a_port() -> None:
    """Compiles rules with an error: they let datagrams to one port pass."""
    change_chain("judge", lambda statements: (f"udp dport 53 meta mark set {ALLOWED_MARK:#x} accept", *statements))


def lay_out_otherwise() -> None:
    """Compiles rules of the same meaning, in chains of other names."""

    def renamed(good: Ruleset, _desired: Desired, _link: str) -> Ruleset:
        names = {name: f"older_{name}" for name in (*good.chains, *good.leaves) if name not in good.hooks}

        def of_part(part: Mapping[str, Statements]) -> dict[str, Statements]:
            return {
                names.get(name, name): tuple(_LED.sub(lambda led: f"{led[1]} {names[led[2]]}", each) for each in texts)
                for name, texts in part.items()
            }

        return replace(good, chains=of_part(good.chains), leaves=of_part(good.leaves))

    change_rulesets(renamed)


def frame_otherwise() -> None:
    """Compiles rules whose chains are asked later and accept by default, and loads a second table with a denial."""

    def framed(good: Ruleset, _desired: Desired, _link: str) -> Ruleset:
        hooks = {
            name: hook.replace("priority filter", "priority 10").replace("policy drop", "policy accept")
            for name, hook in good.hooks.items()
        }
        return replace(good, hooks=hooks)

    def load(self: Rulesets, name: str, text: str) -> None:
        _load(self, name, text + _SECOND_TABLE if text.startswith("flush ruleset") else text)

    change_rulesets(framed)
    Rulesets.load = load  # type: ignore[method-assign]
