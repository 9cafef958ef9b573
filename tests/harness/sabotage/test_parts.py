"""Sabotages fail where the product does not have what they replace."""

from __future__ import annotations

import importlib
import multiprocessing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from appliance.hub.ruleset import Compiler, Ruleset
from appliance.model.desired import Desired
from appliance.model.policy import Action
from harness.sabotage import rules
from harness.sabotage.catalogue import SABOTAGES
from harness.sabotage.entry import Sabotage
from harness.sabotage.parts import NothingReplaced, replace_part
from tests.harness.proof.compiled import mixed

LINK = "wg"
COMPILE = Compiler.compile


def put_in(sabotage: Sabotage) -> None:
    """Puts a sabotage into the product."""
    module, _, function = sabotage.function.partition(":")
    getattr(importlib.import_module(f"harness.sabotage.{module}"), function)()


@pytest.fixture(autouse=True)
def whole_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restores the compiler after the test."""
    monkeypatch.setattr(Compiler, "compile", Compiler.compile)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda each: str(each.id))
def test_a_sabotage_finds_what_it_replaces(sabotage: Sabotage) -> None:
    process = multiprocessing.get_context("fork").Process(target=put_in, args=(sabotage,))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_a_part_that_is_missing_is_not_replaced() -> None:
    owner = SimpleNamespace(present=1)
    replace_part(owner, "present", 2)
    assert owner.present == 2
    with pytest.raises(NothingReplaced, match="has no gone"):
        replace_part(owner, "gone", 2)


@pytest.mark.parametrize("name", ["judge_answers_alone", "let_anybody_send_errors", "let_everybody_open"])
def test_a_chain_that_is_missing_ends_the_compilation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_less(self: Compiler, desired: Desired, link: str) -> Ruleset:
        del self
        return replace(COMPILE(Compiler(), desired, link), chains={})

    monkeypatch.setattr(Compiler, "compile", compile_less)
    getattr(rules, name)()
    with pytest.raises(NothingReplaced, match="has nothing to change"):
        Compiler().compile(mixed(), LINK)


def test_a_statement_that_is_missing_ends_the_compilation() -> None:
    rules.change_statements(lambda text: text.replace("no such words", ""))
    with pytest.raises(NothingReplaced, match="has anything to change"):
        Compiler().compile(mixed(), LINK)


@pytest.mark.parametrize(
    "name", ["accept_all_errors", "judge_by_the_packet", "take_the_source_port", "leave_the_first_port_out"]
)
def test_a_sabotage_changes_the_statements_that_it_matches(name: str) -> None:
    right = Compiler().compile(mixed(), LINK)
    getattr(importlib.import_module("harness.sabotage.rare"), name)()
    assert Compiler().compile(mixed(), LINK) != right


def test_a_policy_without_ports_is_compiled_all_the_same() -> None:
    bare = mixed()
    bare = replace(bare, policy=replace(bare.policy, rules=bare.policy.rules[1:3]))
    assert all(rule.action is Action.ALLOW and not rule.ports for rule in bare.policy.rules)
    importlib.import_module("harness.sabotage.rare").take_the_source_port()
    assert Compiler().compile(bare, LINK).chains
