"""Sabotages of the rules in the kernel."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

from appliance.hub.kernel.nft import Rulesets
from appliance.hub.ruleset import ALLOWED_MARK, Compiler, Ruleset, Statements
from appliance.model.desired import Desired
from appliance.model.policy import Policy
from harness.sabotage.parts import NothingReplaced

_load = Rulesets.load
compile_right = Compiler.compile


def _compiled(desired: Desired, link: str) -> Ruleset:
    return compile_right(Compiler(), desired, link)


def change_rulesets(change: Callable[[Ruleset, Desired, str], Ruleset]) -> None:
    """Makes the compiler apply a change to each ruleset.

    Changes add up, in the order of the calls.

    Args:
        change: takes ruleset, desired state and link's name; returns the changed ruleset.
    """
    compiled = Compiler.compile

    def compile_wrong(self: Compiler, desired: Desired, link: str) -> Ruleset:
        del self
        return change(compiled(Compiler(), desired, link), desired, link)

    Compiler.compile = compile_wrong  # type: ignore[method-assign]


def change_chain(name: str, change: Callable[[Statements], Statements]) -> None:
    """Makes the compiler apply a change to the statements of one chain.

    A compilation raises `NothingReplaced` if there is no such chain, or nothing in it to change.
    """

    def changed(good: Ruleset, _desired: Desired, _link: str) -> Ruleset:
        wrong = {**good.chains, name: change(good.chains.get(name, ()))}
        if name not in good.chains or wrong == good.chains:
            raise NothingReplaced(f"the chain {name} has nothing to change")
        return replace(good, chains=wrong)

    change_rulesets(changed)


def change_statements(
    change: Callable[[str], str | None], *, chains: str = "", applies: Callable[[Policy], bool] = lambda _: True
) -> None:
    """Makes the compiler apply a change to each statement.

    A compilation raises `NothingReplaced` if there is nothing to change in the rules of a policy that it applies to.

    Args:
        change: takes a statement; returns the changed one, or None to leave it out.
        chains: first letters of the names of the chains to change.
        applies: returns True for policies in whose rules there is something to change.
    """

    def of_chain(name: str, statements: Statements) -> Statements:
        if not name.startswith(chains):
            return statements
        return tuple(text for each in statements if (text := change(each)) is not None)

    def changed(good: Ruleset, desired: Desired, _link: str) -> Ruleset:
        wrong = replace(
            good,
            chains={name: of_chain(name, statements) for name, statements in good.chains.items()},
            leaves={name: of_chain(name, statements) for name, statements in good.leaves.items()},
        )
        if wrong == good and applies(desired.policy):
            raise NothingReplaced(f"no chain {chains}… has anything to change")
        return wrong

    change_rulesets(changed)


def let_first_packets_pass() -> None:
    """Accepts the packets that open TCP connections, and judges their answers."""
    passing = f"meta l4proto tcp ct state new meta mark set {ALLOWED_MARK:#x} accept"
    change_chain("judge", lambda statements: (passing, *statements))


def judge_answers_alone() -> None:
    """Judges the answers on a TCP connection, and accepts what its opener sends."""
    passing = f"meta l4proto tcp ct state established ct direction original meta mark set {ALLOWED_MARK:#x} accept"
    change_chain("judge", lambda statements: (passing, *statements))


def count_unmatched_packets_twice() -> None:
    """Counts each packet twice that the default decides."""
    counter, twice = re.compile(r'(counter name "\w+")'), r"\1 \1"
    change_chain("default", lambda statements: tuple(counter.sub(twice, each) for each in statements))


def let_anybody_send_errors() -> None:
    """Judges an ICMP error only by the connection that it quotes, whoever sends it, like many firewalls."""
    change_chain("errors", lambda _: ("goto judge",))


def let_everybody_open() -> None:
    """Accepts any number of new connections."""
    change_chain("opening", lambda statements: statements[-1:])


def trust_in_the_source() -> None:
    """Asks the denials about packets whose source was not looked up, as after a deletion of the rule that does it."""
    guard = "meta priority != 0:0 "
    change_statements(lambda each: each.removeprefix(guard), chains="judge", applies=lambda policy: bool(policy.groups))


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
