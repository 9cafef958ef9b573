"""Completeness of claims, scenarios and sabotages."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import Counter

import pytest

from harness.gate.claims import BY_ID, CLAIMS
from harness.gate.plugin import function_name
from harness.paths import SCENARIOS
from harness.resolution.plan import TARGETS
from harness.sabotage import catalogue
from harness.sabotage.calibrated import KINDS
from harness.sabotage.catalogue import SABOTAGES
from harness.sabotage.entry import Sabotage
from tests.harness.gate import listing

pytest_plugins = ("pytester",)

# Ids are stable: code, reports, URLs and issues use them. No other claim is published.
PUBLISHED = {
    "one-hub",
    "org-isolation",
    "policy-enforcement",
    "keys-at-rest",
    "no-egress",
    "standard-config",
    "sign-in",
    "tunnel-handshake",
    "concurrent-adds",
    "policy-churn",
    "self-healing",
    "onboarding-burst",
    "live-change",
    "edge-names",
    "delete-org",
}


@pytest.fixture(scope="module")
def collected() -> list[pytest.Item]:
    """Keeps what the first test that needs it collects, which takes a second."""
    return []


@pytest.fixture
def scenarios(collected: list[pytest.Item], request: pytest.FixtureRequest) -> list[pytest.Item]:
    """Collects every scenario of the checkout as the gate does."""
    if not collected:
        pytester: pytest.Pytester = request.getfixturevalue("pytester")
        collected += pytester.inline_genitems(str(SCENARIOS), "-p", "no:cacheprovider", "-p", "no:xdist")[0]
    return collected


def claim_of(item: pytest.Item) -> str:
    """Returns the id of the claim that a scenario tests."""
    marker = item.get_closest_marker("claim")
    assert marker is not None, f"{item.nodeid} speaks of no claim"
    return str(marker.args[0])


def test_claims_are_published_ones() -> None:
    assert set(BY_ID) <= PUBLISHED
    assert [each.id for each in CLAIMS] == list(BY_ID)
    assert len({each.sentence for each in CLAIMS}) == len(CLAIMS)
    for each in CLAIMS:
        # A sentence, as the page shows it.
        assert re.fullmatch(r"[A-Z][^\n]*\.", each.sentence)


@pytest.mark.long
def test_every_claim_has_a_scenario_and_every_scenario_a_claim(scenarios: list[pytest.Item]) -> None:
    assert {claim_of(item) for item in scenarios} == set(BY_ID)


def test_the_docs_name_every_scenario_and_its_sabotages(scenarios: list[pytest.Item]) -> None:
    """Keeps a scenario from vanishing unseen: its claim would still have others, and be proven."""
    again = "python -m tests.harness.gate.listing writes it anew"
    assert listing.PAGE.read_text() == listing.page(scenarios), again


def test_a_scenario_that_vanishes_changes_the_page(scenarios: list[pytest.Item]) -> None:
    whole = listing.page(scenarios)
    assert all(listing.page(item for item in scenarios if item is not left) != whole for left in scenarios)
    assert listing.page(scenarios, SABOTAGES[1:]) != whole


def test_every_scenario_has_a_title(scenarios: list[pytest.Item]) -> None:
    silent = [item.nodeid for item in scenarios if not inspect.getdoc(getattr(item, "function", None))]
    assert silent == []


def test_names_of_scenarios_are_unique(scenarios: list[pytest.Item]) -> None:
    # Evidence, the page and comparisons go by the name within its claim.
    names = Counter((claim_of(item), item.name) for item in scenarios)
    assert [name for name, count in names.items() if count > 1] == []


def test_faults_of_known_sizes_are_for_scenarios_of_their_claim(scenarios: list[pytest.Item]) -> None:
    named = {(claim_of(item), function_name(item)) for item in scenarios}
    assert [
        (target.name, each) for target in TARGETS for each in target.scenarios if (target.claim, each) not in named
    ] == []
    assert len({target.name for target in TARGETS}) == len(TARGETS)
    assert {target.kind for target in TARGETS} == set(KINDS)


def test_every_claim_has_a_sabotage_and_every_sabotage_a_claim() -> None:
    assert {sabotage.claim for sabotage in SABOTAGES} == set(BY_ID)


def test_a_sabotage_and_its_scenario_have_one_claim(scenarios: list[pytest.Item]) -> None:
    named = {(claim_of(item), function_name(item)) for item in scenarios}
    assert [each.id for each in SABOTAGES if (each.claim, each.scenario) not in named] == []


def test_ids_of_sabotages_are_unique() -> None:
    for attribute in ("id", "function", "broke"):
        assert len({getattr(sabotage, attribute) for sabotage in SABOTAGES}) == len(SABOTAGES)
    assert {sabotage.id: sabotage for sabotage in SABOTAGES} == catalogue.BY_ID
    for sabotage in SABOTAGES:
        # It is an argument, a file's name and an anchor.
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", sabotage.id)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: str(sabotage.id))
def test_the_function_of_a_sabotage_exists(sabotage: Sabotage) -> None:
    module, _, name = sabotage.function.partition(":")
    function = getattr(importlib.import_module(f"harness.sabotage.{module}"), name)
    assert callable(function)
    assert not inspect.signature(function).parameters
    assert inspect.getdoc(function)


@pytest.mark.parametrize("claim", [claim.id for claim in CLAIMS])
def test_every_claim_has_two_sabotages_at_least(claim: str) -> None:
    assert len([sabotage for sabotage in SABOTAGES if sabotage.claim == claim]) >= 2
