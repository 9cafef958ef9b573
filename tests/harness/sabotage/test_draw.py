"""Draw of the sabotages that a quick gate of all claims tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate.plans import GatePlan
from harness.gate.runs import RunOptions
from harness.sabotage.catalogue import SABOTAGES
from harness.sabotage.draw import SHARE, drawn
from harness.sabotage.entry import Sabotage
from harness.subject.live import Live
from harness.subject.outward import Outward

claims = st.lists(st.sampled_from("abcd"), max_size=20)
seeds = st.integers(0, 2**31)


def sabotages(of: list[str]) -> list[Sabotage]:
    """Makes a sabotage for each of some claims."""
    return [Sabotage(f"break-{number}", claim, "", "m:f", "test_x", "") for number, claim in enumerate(of)]


@given(claims, seeds)
def test_each_claim_has_a_quarter_of_its_own_and_at_least_one(of: list[str], seed: int) -> None:
    made = drawn(sabotages(of), seed)
    for claim in set(of):
        tried = sum(each.claim == claim for each in made)
        assert max(1, of.count(claim) // SHARE) <= tried <= -(-of.count(claim) // SHARE)


@given(claims, seeds)
def test_consecutive_seeds_try_all_in_their_order(of: list[str], seed: int) -> None:
    everything = sabotages(of)
    runs = [drawn(everything, seed + number) for number in range(SHARE)]
    assert {each for made in runs for each in made} == set(everything)
    assert all(made == [each for each in everything if each in made] for made in runs)


def test_a_quick_run_of_all_claims_leaves_some_to_other_seeds() -> None:
    plan = GatePlan(RunOptions(seed=7))
    assert plan.sabotages == drawn(SABOTAGES, 7)
    assert set(plan.sabotages) | set(plan.untried) == set(SABOTAGES)
    assert len(plan.sabotages) + len(plan.untried) == len(SABOTAGES)


@pytest.mark.parametrize(
    "plan",
    [
        GatePlan(RunOptions(profile="full", seed=7)),
        GatePlan(RunOptions(seed=7), sabotages_only=True),
        GatePlan(RunOptions(profile="full", seed=7), minutes=1),
    ],
    ids=["full", "sabotages only", "soak"],
)
def test_other_runs_leave_none(plan: GatePlan) -> None:
    assert (plan.sabotages, plan.untried) == (list(SABOTAGES), [])


def test_a_run_of_one_claim_tries_all_of_this_claim() -> None:
    plan = GatePlan(RunOptions(claim="sign-in", seed=7))
    assert plan.sabotages == [each for each in SABOTAGES if each.claim == "sign-in"]
    assert plan.untried == []


def test_a_service_that_others_run_is_not_sabotaged() -> None:
    plan = GatePlan(RunOptions(live=Live("https://vpn.example.net", Outward(3)), seed=7))
    assert (plan.sabotages, plan.untried) == ([], [])
