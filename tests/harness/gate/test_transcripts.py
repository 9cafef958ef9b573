"""Transcript of a run of the gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.gate import environment, transcripts
from harness.gate.claims import CLAIMS
from harness.gate.gate import GateRun, SabotageResult
from harness.gate.plans import MUTANTS, GatePlan
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions
from harness.sabotage.catalogue import SABOTAGES
from reports.schema import MutantVerdict


def result(claim: str, verdict: str = "proven", name: str = "test_x") -> ScenarioResult:
    """Returns the result of a scenario."""
    failure = None if verdict == "proven" else "3 packets got out"
    return ScenarioResult(
        name,
        verdict,
        1.25,
        {"pings": 20},
        "It works.",
        ["held: it"],
        failure,
        evidence=["a/b.txt"],
        claim=claim,
        seed=7,
    )


GOOD = GateRun(
    plan=GatePlan(RunOptions(profile="full", seed=7, wireguard="kernel")),
    started_at=1772368259.9,
    seconds=48.2345,
    scenarios=tuple(result(claim.id) for claim in CLAIMS),
    sabotages=tuple(SabotageResult(sabotage, True, "3 packets got out", 2.34567) for sabotage in SABOTAGES),
    hub_wireguard="kernel 6.1.0-18-amd64",
)
SOME = CLAIMS[0].id


@pytest.fixture(autouse=True)
def facts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replaces the facts of the environment; returns their arguments, by call."""
    asked: list[Any] = []

    def facts(hub_wireguard: str) -> dict[str, str | int]:
        asked.append(hub_wireguard)
        return {"kernel": "6.1.0", "cpus": 2}

    monkeypatch.setattr(environment, "facts", facts)
    return asked


def test_each_claim_names_its_largest_count_of_none() -> None:
    leaked = {"value": 0, "unit": "packets", "limit": 0, "of": 6000}
    counted = msgspec.structs.replace(result(SOME), measured={"leaked": leaked})
    made = transcripts.transcript_of(replace(GOOD, scenarios=(counted, *GOOD.scenarios[1:])))
    assert made.claims[0].bound.startswith("leaked: 0 of 6")
    assert {claim.bound for claim in made.claims[1:]} == {""}


def test_a_run_with_all_claims_proven_passes(facts: list[Any]) -> None:
    made = transcripts.transcript_of(GOOD)
    assert (made.verdict, made.problems) == ("pass", [])
    assert (made.started_at, made.seconds) == ("2026-03-01T12:30:59Z", 48.2)
    assert (made.profile, made.seed, made.elsewhere) == ("full", 7, False)
    assert made.environment == {"kernel": "6.1.0", "cpus": 2}
    assert facts == ["kernel 6.1.0-18-amd64"]
    assert [(each.id, each.claim, each.verdict) for each in made.claims] == [
        (claim.id, claim.sentence, "proven") for claim in CLAIMS
    ]
    (shown,) = made.claims[0].scenarios
    assert (shown.name, shown.title, shown.verdict, shown.seconds) == ("test_x", "It works.", "proven", 1.25)
    assert (shown.measured, shown.controls, shown.failure, shown.rerun) == ({"pings": 20}, ["held: it"], None, None)
    assert [(each.id, each.claim, each.broke) for each in made.sabotage] == [
        (sabotage.id, sabotage.claim, sabotage.broke) for sabotage in SABOTAGES
    ]
    assert {(each.caught, each.noticed, each.seconds) for each in made.sabotage} == {(True, "3 packets got out", 2.346)}


def test_a_claim_without_results_is_listed_and_fails() -> None:
    made = transcripts.transcript_of(replace(GOOD, scenarios=GOOD.scenarios[1:]))
    assert (made.claims[0].id, made.claims[0].verdict, made.claims[0].scenarios) == (SOME, "inconclusive", [])
    assert (made.verdict, made.problems) == ("fail", [f"{SOME} has no scenario."])


def test_a_run_without_results_fails_for_every_claim(facts: list[Any]) -> None:
    made = transcripts.transcript_of(replace(GOOD, scenarios=(), sabotages=(), hub_wireguard=""))
    assert made.verdict == "fail"
    assert facts == ["kernel"]
    assert len(made.problems) == 2 * len(CLAIMS)


@pytest.mark.parametrize("verdict", ["refuted", "inconclusive"])
def test_a_scenario_not_proven_fails_the_run_and_can_be_repeated(verdict: str) -> None:
    made = transcripts.transcript_of(replace(GOOD, scenarios=(*GOOD.scenarios, result(SOME, verdict, "test_y"))))
    assert (made.verdict, made.problems) == ("fail", [f"{SOME} is {verdict}."])
    assert made.claims[0].verdict == verdict
    failed = made.claims[0].scenarios[1]
    assert (failed.failure, failed.evidence) == ("3 packets got out", ["a/b.txt"])
    assert failed.rerun == f"./meshwg gate --claim {SOME} --profile full --seed 7 --wireguard kernel"


def test_the_repeat_command_names_wireguard_if_the_run_did() -> None:
    run = replace(GOOD, plan=GatePlan(RunOptions(profile="full", seed=7)), scenarios=(result(SOME, "refuted"),))
    assert transcripts.transcript_of(run).claims[0].scenarios[0].rerun == (
        f"./meshwg gate --claim {SOME} --profile full --seed 7"
    )


def test_the_repeat_command_names_store_and_conditions() -> None:
    options = RunOptions(profile="full", seed=7, outside="IPv6", loss="none", reorder="messages")
    drawn = {"outside": "IPv6", "store": "PostgreSQL"}
    failed = msgspec.structs.replace(result(SOME, "refuted"), conditions=drawn, store="PostgreSQL")
    shown = transcripts.transcript_of(replace(GOOD, plan=GatePlan(options), scenarios=(failed,))).claims[0].scenarios[0]
    assert shown.conditions == drawn
    assert shown.rerun == (
        f"./meshwg gate --claim {SOME} --profile full --seed 7 "
        "--outside IPv6 --loss none --reorder messages --store PostgreSQL"
    )


def test_the_repeat_command_has_as_much_patience() -> None:
    run = replace(
        GOOD, plan=GatePlan(RunOptions(seed=7, patience=2.5), mutants=3), scenarios=(result(SOME, "refuted"),)
    )
    shown = transcripts.transcript_of(run).claims[0].scenarios[0]
    assert shown.rerun == f"./meshwg gate --claim {SOME} --profile quick --seed 7 --patience 2.5"
    shown = transcripts.transcript_of(replace(run, hub="my:Hub")).claims[0].scenarios[0]
    assert str(shown.rerun).endswith(" --seed=7 --patience=2.5")


def test_the_transcript_has_the_options_that_decide() -> None:
    full = RunOptions(profile="full", seed=7)
    slow = replace(full, patience=10.0, loss="none", wireguard="kernel")
    for options, mutants, told in (
        (full, MUTANTS, {}),
        (full, 0, {"mutants": "0"}),
        (replace(full, profile="quick"), 0, {}),
        (slow, MUTANTS, {"wireguard": "kernel", "loss": "none", "patience": "10"}),
    ):
        assert transcripts.transcript_of(replace(GOOD, plan=GatePlan(options, mutants=mutants))).options == told


def test_a_sabotage_shows_what_was_drawn_for_it() -> None:
    drawn = {"outside": "IPv6", "store": "SQLite"}
    made = transcripts.transcript_of(replace(GOOD, sabotages=(replace(GOOD.sabotages[0], conditions=drawn),)))
    assert made.sabotage[0].conditions == drawn


def test_an_unnoticed_sabotage_fails_the_run() -> None:
    unnoticed = replace(GOOD.sabotages[0], caught=False)
    made = transcripts.transcript_of(replace(GOOD, sabotages=(unnoticed, *GOOD.sabotages[1:])))
    assert made.verdict == "fail"
    assert [unnoticed.sabotage.id in problem for problem in made.problems] == [True]


def test_a_run_of_one_claim_has_only_this_claim() -> None:
    made = transcripts.transcript_of(
        replace(
            GOOD,
            plan=GatePlan(RunOptions(claim=SOME)),
            scenarios=(result(SOME),),
            sabotages=tuple(each for each in GOOD.sabotages if each.sabotage.claim == SOME),
        )
    )
    assert [each.id for each in made.claims] == [SOME]
    assert set(made.left_out) == {each.id for each in CLAIMS} - {SOME}
    assert made.verdict == "pass"


def test_a_run_of_sabotages_only_has_no_claim() -> None:
    made = transcripts.transcript_of(replace(GOOD, plan=GatePlan(RunOptions(), sabotages_only=True), scenarios=()))
    assert (made.claims, made.verdict, len(made.sabotage)) == ([], "pass", len(SABOTAGES))
    assert set(made.left_out) == {each.id for each in CLAIMS}


def test_a_scenario_proven_only_in_a_rerun_fails_as_unstable() -> None:
    run = replace(
        GOOD, scenarios=(*GOOD.scenarios, result(SOME, "refuted", "test_y")), again=(result(SOME, name="test_y"),)
    )
    made = transcripts.transcript_of(run)
    assert made.problems == [
        f"{SOME} is refuted.",
        "test_y is unstable: it failed, and was proven when run again with the same seed.",
    ]
    assert [each.is_unstable for each in made.claims[0].scenarios] == [False, True]


def test_a_run_of_another_hub_names_it_and_needs_no_sabotages(facts: list[Any]) -> None:
    run = replace(
        GOOD, hub="my:Hub", hub_wireguard="", sabotages=(), scenarios=(*GOOD.scenarios, result(SOME, "refuted"))
    )
    made = transcripts.transcript_of(run)
    assert (made.hub, facts) == ("my:Hub", ["unknown, of my:Hub"])
    assert (made.verdict, made.problems) == ("fail", [f"{SOME} is refuted."])
    assert made.claims[0].scenarios[1].rerun == (
        f"python -m netlab.sandbox -- pytest --pyargs scenarios --hub=my:Hub --claim={SOME} --profile=full --seed=7"
    )


@pytest.mark.parametrize(("word", "verdict"), [("noticed", "pass"), ("alike", "pass"), ("survived", "fail")])
def test_a_mutant_that_survived_fails_the_run(word: str, verdict: str) -> None:
    mutants = (MutantVerdict("m1", "store", "noticed"), MutantVerdict("m2", "store", word))
    made = transcripts.transcript_of(replace(GOOD, mutants=mutants))
    assert (made.verdict, made.mutants) == (verdict, list(mutants))
    assert [problem for problem in made.problems if "m2" in problem] == made.problems


def test_the_transcript_of_a_soak_has_the_number_of_rounds() -> None:
    made = transcripts.transcript_of(replace(GOOD, plan=GatePlan(RunOptions(profile="full"), minutes=5), rounds=4))
    assert (made.profile, made.environment["rounds"]) == ("soak", 4)
