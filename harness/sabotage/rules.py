"""Sabotages of the rules in the kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from appliance.hub.kernel.nft import Rulesets
from appliance.hub.ruleset import ALLOWED_MARK, Compiler, Ruleset, Statements
from appliance.model.desired import Desired
from appliance.model.policy import Policy

_load = Rulesets.load
_compile = Compiler.compile


def _compiled(desired: Desired, link: str) -> Ruleset:
    return _compile(Compiler(), desired, link)


def change_rulesets(change: Callable[[Ruleset, Desired, str], Ruleset]) -> None:
    """Makes the compiler apply a change to each ruleset.

    Args:
        change: takes ruleset, desired state and link's name; returns the changed ruleset.
    """

    def compile_wrong(self: Compiler, desired: Desired, link: str) -> Ruleset:
        del self
        return change(_compiled(desired, link), desired, link)

    Compiler.compile = compile_wrong  # type: ignore[method-assign]


def change_chains(change: Callable[[str, Statements], Statements]) -> None:
    """Makes the compiler apply a change to each chain.

    Args:
        change: takes name and statements of a chain; returns the changed statements.
    """
    change_rulesets(
        lambda good, _desired, _link: replace(
            good, chains={name: change(name, statements) for name, statements in good.chains.items()}
        )
    )


def let_established_flows_go_on() -> None:
    """Accepts packets of established connections without judging them, like many firewalls."""
    passing = f"ct state established meta mark set {ALLOWED_MARK:#x} accept"
    change_chains(lambda name, statements: (passing, *statements) if name == "judge" else statements)


def let_anybody_send_errors() -> None:
    """Judges an ICMP error only by the connection that it quotes, whoever sends it, like many firewalls."""
    change_chains(lambda name, statements: ("goto judge",) if name == "errors" else statements)


def let_everybody_open() -> None:
    """Accepts any number of new connections."""
    change_chains(lambda name, statements: statements[-1:] if name == "opening" else statements)


def deny_both_directions() -> None:
    """Adds to every rule one for the opposite direction."""

    def doubled(_good: Ruleset, desired: Desired, link: str) -> Ruleset:
        twins = tuple(replace(rule, source=rule.destination, destination=rule.source) for rule in desired.policy.rules)
        return _compiled(replace(desired, policy=Policy(desired.policy.default, desired.policy.rules + twins)), link)

    change_rulesets(doubled)


def flush_then_load() -> None:
    """Flushes and loads rules in two transactions with a gap of 20 ms, like a script with two calls of nft."""

    def load(self: Rulesets, name: str, text: str) -> None:
        flushes = [line for line in text.splitlines() if line.startswith("flush chain")]
        if flushes:
            _load(self, name, "\n".join(flushes) + "\n")
            time.sleep(0.02)
        _load(self, name, text)

    Rulesets.load = load  # type: ignore[method-assign]
