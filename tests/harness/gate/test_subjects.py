"""The lab's own service: its store, chosen by the options of a run, and what is forked of it."""

from __future__ import annotations

from functools import partial
from typing import cast

import pytest

from harness.gate.subjects import store_of, subject_factory
from harness.sabotage.catalogue import SABOTAGES
from harness.world.conditions import STORES


def config(**options: object) -> pytest.Config:
    """Returns a configuration of pytest with these options; others have no value."""

    class Config:
        """Options of pytest."""

        def getoption(self, name: str, _default: object = None) -> object:
            return options.get(name.removeprefix("--"))

    return cast("pytest.Config", Config())


def store(*, seed: int = 0, named: str | None = None, sabotage: str | None = None) -> str:
    """Returns the store of a run with these options."""
    return store_of(config(seed=seed, store=named, sabotage=sabotage))


def test_the_seed_draws_a_store_that_no_option_names() -> None:
    assert {store(seed=seed) for seed in range(50)} == set(STORES)
    assert {store(seed=seed, named="PostgreSQL") for seed in range(50)} == {"PostgreSQL"}


def test_a_sabotage_of_one_store_is_put_into_this_one() -> None:
    of_one = [each for each in SABOTAGES if each.store is not None]
    assert of_one
    for sabotage in of_one:
        (other,) = set(STORES) - {sabotage.store}
        assert store(named=other, sabotage=sabotage.id) == sabotage.store
    others = next(each for each in SABOTAGES if each.store is None)
    assert store(named="PostgreSQL", sabotage=others.id) == "PostgreSQL"


def test_scenarios_may_fork_the_product_itself() -> None:
    made = subject_factory(config(seed=1))
    assert isinstance(made, partial)
    assert made.keywords["product"].program == ("appliance",)
    assert made.keywords["broken"] is None
