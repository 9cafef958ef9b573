"""Plans of the gate: which runs have mutants of their own accord."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.cli.commands.gate import plan_of
from harness.gate.runs import RunOptions

FULL = RunOptions(profile="full")


def test_a_full_run_of_everything_has_mutants() -> None:
    assert plan_of(FULL).mutants == 40


@pytest.mark.parametrize(
    "options",
    [RunOptions(), replace(FULL, claim="one-hub"), replace(FULL, profile="soak")],
    ids=lambda each: repr(each),
)
def test_other_runs_have_none(options: RunOptions) -> None:
    assert plan_of(options).mutants == 0
    assert plan_of(FULL, sabotages_only=True).mutants == 0
