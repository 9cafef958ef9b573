"""Scores: breaks by the proof, and how many of them gate and tests notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.mutation.equivalent import Equivalent
from harness.mutation.journal import Entry, Journal, Judge, Verdict
from harness.mutation.judging import covering
from harness.mutation.mutants import Mutant
from harness.mutation.scores import Score, noticing, scores

NOTICED, SURVIVED, UNDECIDED = Verdict.NOTICED, Verdict.SURVIVED, Verdict.UNDECIDED
ALL = (Judge.PROOF, Judge.TESTS, Judge.GATE)


def _mutant(name: str, area: str = "ruleset") -> Mutant:
    return Mutant(name, area, "number", "p.py", (3, 4), "1", "2", "")


def _score(area: str, **verdicts: dict[Judge, Verdict]) -> Score:
    entries = [
        Entry("v", area, name, judge, verdict, error="Refuted")
        for name, found in verdicts.items()
        for judge, verdict in found.items()
    ]
    (score,) = scores([_mutant(name, area) for name in verdicts], entries)
    return score


def test_what_the_proof_refutes_is_a_break() -> None:
    score = _score(
        "ruleset",
        a={Judge.PROOF: NOTICED, Judge.TESTS: NOTICED, Judge.GATE: NOTICED},
        b={Judge.PROOF: NOTICED, Judge.TESTS: SURVIVED, Judge.GATE: NOTICED},
        c={Judge.PROOF: SURVIVED, Judge.TESTS: NOTICED},
        d={Judge.PROOF: SURVIVED, Judge.TESTS: SURVIVED},
    )
    assert (score.breaks, score.by_gate, score.by_tests, score.by_either) == (2, 2, 1, 2)
    assert (score.other, [each.id for each in score.alike]) == (1, ["d"])
    assert [(each.id, blind) for each, blind in score.survivors] == [("b", "tests")]
    assert score.meets_goals(ALL)


def test_without_a_proof_every_mutant_is_a_break() -> None:
    score = _score(
        "store", a={Judge.TESTS: SURVIVED, Judge.GATE: SURVIVED}, b={Judge.TESTS: NOTICED, Judge.GATE: SURVIVED}
    )
    assert (score.breaks, score.alike, score.by_either) == (2, (), 1)
    assert not score.meets_goals((Judge.TESTS, Judge.GATE))


def test_a_reviewed_mutant_is_no_break() -> None:
    entries = [Entry("v", "store", name, Judge.TESTS, SURVIVED) for name in ("a", "b")]
    mutants = [replace(_mutant(name, "store"), becomes=name) for name in ("a", "b")]
    reviewed = Equivalent("p.py", "", "number", "", "a", "It is so.")
    (score,) = scores(mutants, entries, [reviewed])
    assert ([each.id for each in score.alike], score.breaks) == (["a"], 1)


@pytest.mark.parametrize("gate", [SURVIVED, UNDECIDED])
def test_a_gate_that_misses_a_break_misses_its_goal(gate: Verdict) -> None:
    score = _score("ruleset", a={Judge.PROOF: NOTICED, Judge.TESTS: NOTICED, Judge.GATE: gate})
    assert not score.meets_goals(ALL)
    assert score.undecided == (gate is UNDECIDED)


def test_a_scenario_without_a_verdict_is_counted_apart() -> None:
    entries = [
        Entry("v", "ruleset", "a", Judge.PROOF, NOTICED),
        Entry("v", "ruleset", "a", Judge.GATE, NOTICED, error="Inconclusive"),
    ]
    (score,) = scores([_mutant("a")], entries)
    assert (score.by_gate, score.unclear) == (1, 1)


def test_tests_are_listed_by_what_they_noticed() -> None:
    entries = [
        Entry("v", "ruleset", name, Judge.TESTS, NOTICED, by=by)
        for name, by in (("a", "t.py::one[1]"), ("b", "t.py::two"), ("c", "t.py::one[2]"))
    ]
    assert list(noticing(entries)) == [(Judge.TESTS, "t.py::one", 2), (Judge.TESTS, "t.py::two", 1)]


def test_tests_of_mutated_lines_run_first_by_their_cost() -> None:
    costs = {"slow": 2.0, "fast": 0.1, "other": 0.2}
    lines = {"p.py": {3: ["slow"], 4: ["fast", "slow"], 5: ["other"]}}
    whole = Entry("v", "ruleset", "", Judge.TESTS, SURVIVED, costs=costs, lines=lines)
    assert covering(_mutant("a"), whole) == ["fast", "slow"]
    nowhere = Entry("v", "ruleset", "", Judge.TESTS, SURVIVED, costs=costs)
    assert covering(_mutant("a"), nowhere) == ["fast", "other", "slow"]


def test_a_journal_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    first = Journal(file, goes_on=False)
    kept = first.keep(Entry("v", "ruleset", "a", Judge.PROOF, NOTICED, seed=3, lines={"p": {1: ["t"]}}))
    first.keep(Entry("v", "ruleset", "b", Judge.PROOF, UNDECIDED, seed=3))
    with file.open("a") as appended:
        appended.write('{"version": "v", "ar')
    again = Journal(file, goes_on=True)
    assert again.find("v", "a", Judge.PROOF, 3) == kept
    for version, mutant, judge, seed in (
        ("w", "a", Judge.PROOF, 3),
        ("v", "a", Judge.TESTS, 3),
        ("v", "a", Judge.PROOF, 4),
        ("v", "b", Judge.PROOF, 3),
    ):
        assert again.find(version, mutant, judge, seed) is None
    again.keep(Entry("v", "ruleset", "c", Judge.PROOF, SURVIVED, seed=3))
    for name in ("a", "c"):
        assert Journal(file, goes_on=True).find("v", name, Judge.PROOF, 3) is not None
    assert Journal(file, goes_on=False).find("v", "a", Judge.PROOF, 3) is None
    assert file.read_bytes() == b""
