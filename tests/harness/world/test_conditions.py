"""Conditions of scenarios: drawn by the seed, or fixed by an option or by the scenario."""

from __future__ import annotations

import pytest

from harness.world.conditions import LOSS, OUTSIDE, REORDER, STORES, Conditions, draw, draw_store

NONE_WANTED = {"outside": None, "loss": None, "reorder": None}


def test_a_seed_draws_the_same_for_the_same_scenario() -> None:
    assert {draw(7, "test_x", NONE_WANTED, {}) for _ in range(20)} == {draw(7, "test_x", NONE_WANTED, {})}
    assert {draw_store(7, "first") for _ in range(20)} == {draw_store(7, "first")}


def test_seeds_and_scenarios_draw_everything() -> None:
    by_seed = [draw(seed, "test_x", NONE_WANTED, {}) for seed in range(200)]
    by_name = [draw(7, f"test_{number}", NONE_WANTED, {}) for number in range(200)]
    for drawn in (by_seed, by_name):
        assert {each.outside for each in drawn} == set(OUTSIDE)
        assert {each.loss for each in drawn} == set(LOSS)
        assert {each.reorder for each in drawn} == set(REORDER)
    assert {draw_store(seed, "first") for seed in range(50)} == set(STORES)


@pytest.mark.parametrize("seed", range(20))
def test_an_option_fixes_one_condition_and_leaves_the_others(seed: int) -> None:
    free = draw(seed, "test_x", NONE_WANTED, {})
    fixed = draw(seed, "test_x", {"outside": "IPv6", "loss": None}, {})
    assert fixed == Conditions("IPv6", free.loss, free.reorder)


def test_what_a_scenario_needs_comes_before_an_option() -> None:
    wanted = {"outside": "IPv6", "loss": "responses", "reorder": "none"}
    assert draw(7, "test_x", wanted, {"outside": "IPv4"}) == Conditions("IPv4", "responses")


def test_conditions_are_told_in_words() -> None:
    assert Conditions().in_words() == {"outside": "IPv4", "lost": "nothing", "reordered": "nothing"}
    assert "handshake responses" in Conditions(loss="responses").in_words()["lost"]
    assert "messages" in Conditions(reorder="messages").in_words()["reordered"]
