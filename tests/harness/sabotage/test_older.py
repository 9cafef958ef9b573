"""Older releases of the compiler make other rules than today's one, also together with a sabotage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.hub.kernel.nft import Rulesets
from appliance.hub.ruleset import Compiler, Ruleset
from appliance.model.desired import Desired
from appliance.model.policy import Action
from harness.sabotage import catalogue
from tests.appliance.hub.ruled import compile_ruleset
from tests.harness.proof.compiled import mixed


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Desired:
    """Provides an organization, and undoes replacements of the compiler and the loader afterwards."""
    monkeypatch.setattr(Compiler, "compile", Compiler.compile)
    monkeypatch.setattr(Rulesets, "load", Rulesets.load)
    return mixed()


def shape(ruleset: Ruleset) -> tuple[object, ...]:
    return dict(ruleset.hooks), dict(ruleset.chains), dict(ruleset.leaves)


@pytest.mark.parametrize("release", catalogue.RELEASES)
def test_an_older_release_compiles_other_rules(state: Desired, release: str) -> None:
    today = compile_ruleset(state, "wg")
    catalogue.function_of(release)()
    older = compile_ruleset(state, "wg")
    assert shape(older) != shape(today)
    assert older.fingerprint != today.fingerprint


def test_another_layout_leads_to_chains_that_exist(state: Desired) -> None:
    catalogue.function_of("other-layout")()
    older = compile_ruleset(state, "wg")
    texts = [text for part in (older.chains, older.leaves) for texts in part.values() for text in texts]
    led = {name for text in texts for word in ("jump ", "goto ") for name in _after(text, word)}
    assert led
    assert led <= {*older.chains, *older.leaves}


def test_a_sabotage_holds_for_an_older_release(state: Desired) -> None:
    catalogue.function_of("open-port")()
    catalogue.function_of("policies-noted-for-rules")()
    older = compile_ruleset(state, "wg")
    assert any("udp dport 53" in text for text in older.chains["judge"])
    other = compile_ruleset(replace(state, policy=replace(state.policy, default=Action.ALLOW)), "wg")
    assert compile_ruleset(state, "wg").fingerprint == older.fingerprint != other.fingerprint


def test_names_of_releases_and_sabotages_are_different() -> None:
    assert not set(catalogue.RELEASES) & set(catalogue.BY_ID)
    for each in catalogue.RELEASES:
        catalogue.check(each)


def _after(text: str, word: str) -> list[str]:
    return [part.split()[0].rstrip(",") for part in text.split(word)[1:]]
