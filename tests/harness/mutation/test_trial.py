"""Trial of the gate: drawn mutants are noticed, survive, or have no verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.mutation import trial
from harness.mutation.areas import AREAS, BY_NAME, Area
from harness.mutation.equivalent import Equivalent
from harness.mutation.journal import Entry, Journal, Judge, Verdict
from harness.mutation.judging import Court, JudgementOptions, nearest_first
from harness.mutation.mutants import Mutant, mutants_of
from reports.schema import MutantVerdict

pytestmark = pytest.mark.long

NOTICED, SURVIVED, UNDECIDED = Verdict.NOTICED, Verdict.SURVIVED, Verdict.UNDECIDED
REASONS = "tests/appliance/hub/test_reasons.py"
# Its unit tests notice a mutant of the file, and what stands for its scenarios does not.
SEEN = Area("reasons", ("appliance/hub/errors.py",), (REASONS,), (REASONS,))
OTHER = "tests/appliance/vault/test_codes.py"
UNSEEN = replace(SEEN, tests=(OTHER,), scenarios=(OTHER,))


def _tried(
    area: Area, folder: Path, reviewed: Sequence[Equivalent] = (), until: float = float("inf")
) -> tuple[list[MutantVerdict], Mutant]:
    mutant = next(each for each in mutants_of(area) if each.id.endswith(":if_exp:2"))
    options = JudgementOptions(tuple(Judge), 1, 600.0, until, workers=1)
    court = Court({area.name: area}, options, Journal(folder / "journal", goes_on=False), lambda _: None)
    shown: list[MutantVerdict] = []
    found = trial.tried([mutant], court, reviewed, shown.append)
    assert shown == found
    return found, mutant


def test_a_mutant_that_a_unit_test_fails_is_noticed(tmp_path: Path) -> None:
    (found,), mutant = _tried(SEEN, tmp_path)
    assert (found.id, found.part, found.verdict) == (mutant.id, "reasons", "noticed")
    assert found.words.startswith(f"{REASONS}::")
    assert found.was != found.becomes


def test_a_mutant_that_only_a_scenario_fails_is_noticed(tmp_path: Path) -> None:
    (found,), _ = _tried(replace(UNSEEN, scenarios=SEEN.scenarios), tmp_path)
    assert (found.verdict, found.words.partition("::")[0]) == ("noticed", REASONS)


def test_a_mutant_that_nothing_fails_survives(tmp_path: Path) -> None:
    (found,), _ = _tried(UNSEEN, tmp_path)
    assert (found.verdict, found.words) == ("survived", "")


def test_a_reviewed_mutant_is_alike_and_not_judged(tmp_path: Path) -> None:
    _, mutant = _tried(UNSEEN, tmp_path)
    place = (mutant.path, mutant.function, mutant.operator)
    (found,), _ = _tried(UNSEEN, tmp_path, [Equivalent(*place, mutant.was, mutant.becomes, "It is so.")])
    assert (found.verdict, found.words) == ("alike", "It is so.")
    (found,), _ = _tried(UNSEEN, tmp_path, [Equivalent(*place, mutant.was, "something else", "It is so.")])
    assert found.verdict == "survived"


def test_a_mutant_without_time_left_is_undecided(tmp_path: Path) -> None:
    (found,), _ = _tried(SEEN, tmp_path, until=time.monotonic() - 1)
    assert (found.verdict, "no time left" in found.words) == ("undecided", True)


def test_a_test_that_fails_without_the_mutant_decides_nothing(tmp_path: Path) -> None:
    (found,), _ = _tried(replace(UNSEEN, scenarios=(f"{REASONS}::test_there_is_none",)), tmp_path)
    assert found.verdict == "undecided"


@pytest.mark.parametrize(
    ("entries", "verdict"),
    [
        ({Judge.PROOF: SURVIVED}, "alike"),
        ({Judge.PROOF: NOTICED, Judge.TESTS: NOTICED}, "noticed"),
        ({Judge.PROOF: NOTICED, Judge.TESTS: SURVIVED, Judge.GATE: NOTICED}, "noticed"),
        ({Judge.PROOF: NOTICED, Judge.TESTS: SURVIVED, Judge.GATE: SURVIVED}, "survived"),
        ({Judge.PROOF: UNDECIDED}, "undecided"),
        ({Judge.TESTS: UNDECIDED, Judge.GATE: NOTICED}, "noticed"),
        ({Judge.TESTS: UNDECIDED, Judge.GATE: SURVIVED}, "undecided"),
        ({Judge.TESTS: SURVIVED, Judge.GATE: SURVIVED}, "survived"),
    ],
)
def test_a_break_by_the_proof_has_to_be_noticed_by_others(entries: dict[Judge, Verdict], verdict: str) -> None:
    mutant = Mutant("p.py:3:number:1", "ruleset", "number", "p.py", (3, 3), "1", "2", "")
    told = [Entry("v", "ruleset", mutant.id, judge, each) for judge, each in entries.items()]
    assert trial.verdict_of(mutant, told, "", 1.0).verdict == verdict


def test_no_key_is_in_the_words_of_a_verdict() -> None:
    key = "A" * 42 + "E="
    mutant = Mutant("p.py:3:number:1", "vault", "number", "p.py", (3, 3), "1", "2", "")
    told = [Entry("v", "vault", mutant.id, Judge.TESTS, NOTICED, by="t.py::test", words=f"assert {key} == 1")]
    assert key not in trial.verdict_of(mutant, told, "", 1.0).words


def test_a_seed_draws_the_same_of_each_area() -> None:
    some = (SEEN, BY_NAME["vault"])
    first, again = (trial.drawn(5, 3, some) for _ in range(2))
    assert first == again
    assert [each.area for each in first] == ["reasons", "vault", "reasons", "vault", "reasons"]
    assert first != trial.drawn(5, 4, some)


def test_tests_that_name_the_module_run_first() -> None:
    area = next(each for each in AREAS if each.name == "vault")
    mutant = next(each for each in mutants_of(area) if each.path.endswith("/codes.py"))
    files = nearest_first(mutant, area.tests)
    assert files[0] == "tests/appliance/vault/test_codes.py"
    assert len(files) == len(set(files)) > 3
