"""Verdicts of claims and of the gate."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reports import verdict
from reports.schema import (
    VERSION,
    Claim,
    MutantVerdict,
    SabotageVerdict,
    Scenario,
    Transcript,
    TranscriptError,
    Verdict,
)
from tests.reports.samples import claim, judged, run, scenario


@dataclass(frozen=True)
class Gate:
    """Claims with their sabotages, and verdicts that follow from the scenarios."""

    claims: list[Claim]
    sabotages: list[SabotageVerdict]

    @property
    def problems(self) -> list[str]:
        """Returns the problems that the gate finds."""
        return verdict.problems_of(self.claims, self.sabotages)


@st.composite
def gates(draw: st.DrawFn) -> Gate:
    """Generates any gate of up to four claims."""
    names = [f"claim-{number}" for number in range(draw(st.integers(1, 4)))]
    found = [(name, draw(st.lists(judged, max_size=3))) for name in names]
    return Gate(
        [Claim(name, verdict.of_claim(of), of) for name, of in found],
        [
            SabotageVerdict(f"break-{number}", name, caught)
            for number, (name, caught) in enumerate(
                draw(st.lists(st.tuples(st.sampled_from(names), st.booleans()), max_size=6))
            )
        ],
    )


UNSTABLE = scenario(verdict="refuted", again="proven")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (run(problems=["The files changed."]), "The files changed."),
        (run(claim("one-hub", scenario(verdict="refuted"), verdict="refuted")), "one-hub is refuted."),
        (run(claim("one-hub", scenario(verdict="perhaps"), verdict="perhaps")), "one-hub is perhaps."),
        (run(Claim("one-hub", "inconclusive", [])), "one-hub has no scenario."),
        (run(sabotage=[]), "tunnel-handshake has no sabotage."),
        (msgspec.structs.replace(run(sabotage=[]), claims=[]), "Nothing was tried."),
        (run(sabotage=[SabotageVerdict("leak", "tunnel-handshake", caught=False)]), "The sabotage leak went unnoticed"),
        (run(mutants=[MutantVerdict("m1", "vault", "survived")]), "The mutant m1 went unnoticed"),
        (run(verdict="Pass", problems=["It is late."]), "It is late."),
    ],
)
def test_a_pass_beside_a_reason_against_it_is_refused(told: Transcript, why: str) -> None:
    told = msgspec.structs.replace(told, version=VERSION)
    with pytest.raises(TranscriptError, match=f"The verdict is {told.verdict}, and .*{why}"):
        verdict.check(told)
    verdict.check(msgspec.structs.replace(told, verdict="fail"))


@pytest.mark.parametrize(
    ("of", "found"),
    [([scenario(), scenario(verdict="refuted")], "refuted"), ([UNSTABLE], "refuted"), ([], "inconclusive")],
)
@pytest.mark.parametrize("word", ["pass", "fail", ""])
def test_a_claim_proven_by_no_scenario_is_refused(of: list[Scenario], found: str, word: str) -> None:
    told = run(Claim("one-hub", "proven", of), verdict=word)
    with pytest.raises(TranscriptError, match=rf"one-hub is called proven, and by its scenarios it is {found}\."):
        verdict.check(told)


@pytest.mark.parametrize(
    "told", [run(), run(sabotage=[], elsewhere=True), run(sabotage=[], hub="my:Hub"), run(sabotage=[], version=3)]
)
def test_a_pass_that_follows_from_the_file_is_kept(told: Transcript) -> None:
    verdict.check(told if told.version == 3 else msgspec.structs.replace(told, version=VERSION))


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ((), "inconclusive"),
        (("proven",), "proven"),
        (("refuted",), "refuted"),
        (("inconclusive",), "inconclusive"),
        (("proven", "proven"), "proven"),
        (("proven", "inconclusive"), "inconclusive"),
        (("inconclusive", "refuted"), "refuted"),
        (("proven", "something else"), "inconclusive"),
    ],
)
def test_a_claim_has_the_verdict_of_its_scenarios(of: tuple[str, ...], expected: str) -> None:
    assert verdict.of_claim([scenario(verdict=each) for each in of]) == expected


def test_a_verdict_is_printed_as_its_word() -> None:
    assert (str(Verdict.PROVEN), f"{Verdict.REFUTED:8}|") == ("proven", "refuted |")


@given(st.lists(judged, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_scenarios_never_matters(of: list[Scenario], random: object) -> None:
    shuffled = list(of)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert verdict.of_claim(of) == verdict.of_claim(shuffled)


@given(st.lists(judged, max_size=6), st.integers(0, 6))
def test_one_refuted_scenario_refutes_the_claim(of: list[Scenario], place: int) -> None:
    assert verdict.of_claim([*of[:place], scenario(verdict="refuted"), *of[place:]]) == "refuted"


@given(st.lists(judged, min_size=1, max_size=6), judged)
def test_another_scenario_never_makes_a_claim_better(of: list[Scenario], more: Scenario) -> None:
    ranks = {"proven": 2, "inconclusive": 1, "refuted": 0}
    assert ranks[verdict.of_claim([*of, more])] <= ranks[verdict.of_claim(of)]


@given(gates())
def test_a_gate_passes_only_if_all_is_proven_and_noticed(gate: Gate) -> None:
    shown = all(each.scenarios and {s.verdict for s in each.scenarios} == {"proven"} for each in gate.claims)
    broken = {sabotage.claim for sabotage in gate.sabotages} == {each.id for each in gate.claims}
    noticed = all(sabotage.caught for sabotage in gate.sabotages)
    assert (gate.problems == []) is (shown and broken and noticed)


@given(gates(), st.integers(0, 3))
def test_a_claim_without_a_scenario_never_passes(gate: Gate, place: int) -> None:
    assume(place < len(gate.claims))
    empty = gate.claims[place]
    gate.claims[place] = Claim(empty.id, "proven", [])
    assert f"{empty.id} has no scenario." in gate.problems


@given(gates())
def test_every_problem_names_its_claim_or_sabotage(gate: Gate) -> None:
    for each in gate.claims:
        about = [problem for problem in gate.problems if problem.startswith(f"{each.id} ")]
        assert (f"{each.id} is {each.verdict}." in about) is bool(each.scenarios and each.verdict != "proven")
        assert (f"{each.id} has no sabotage." in about) is all(s.claim != each.id for s in gate.sabotages)
    for sabotage in gate.sabotages:
        told = f"The sabotage {sabotage.id} went unnoticed by {sabotage.claim}."
        assert (told in gate.problems) is not sabotage.caught


@given(gates(), st.integers(0, 6))
def test_an_unnoticed_sabotage_never_passes(gate: Gate, place: int) -> None:
    gate.sabotages.insert(place, SabotageVerdict("more", gate.claims[0].id, caught=False))
    assert gate.problems


def test_a_claim_without_a_sabotage_is_a_problem() -> None:
    assert verdict.problems_of([claim("one-hub")], []) == ["one-hub has no sabotage."]
    other = SabotageVerdict("break", "another-claim", caught=True)
    assert verdict.problems_of([claim("one-hub")], [other]) == ["one-hub has no sabotage."]
    assert verdict.problems_of([claim("one-hub")], [SabotageVerdict("break", "one-hub", caught=True)]) == []


@given(st.lists(st.sampled_from(["noticed", "alike", "undecided", "survived"]), max_size=12))
def test_a_mutant_that_survived_never_passes(words: list[str]) -> None:
    noticed = SabotageVerdict("break", "one-hub", caught=True)
    mutants = [MutantVerdict(f"m{number}", "store", word) for number, word in enumerate(words)]
    problems = verdict.problems_of([claim("one-hub")], [noticed], mutants)
    survived = [each.id for each in mutants if each.verdict == "survived"]
    expected = [f"The mutant {name} went unnoticed by unit tests and gate." for name in survived]
    undecided = words.count("undecided")
    if 4 * undecided > len(words):
        expected.append(f"{undecided} of {len(words)} mutants have no verdict.")
    assert problems == expected
