"""Judgement of a small part of the product, from its mutants to their score."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.mutation.areas import Area
from harness.mutation.journal import Entry, Journal, Judge, Verdict
from harness.mutation.judging import Court, JudgementOptions, NotSound
from harness.mutation.mutants import mutants_of

pytestmark = pytest.mark.long

AREA = Area("reasons", ("appliance/hub/errors.py",), ("tests/appliance/hub/test_reasons.py",), ())
OPTIONS = JudgementOptions((Judge.PROOF, Judge.TESTS), seed=1, deadline_s=600.0, until=float("inf"), workers=2)


def _judged(
    journal: Path, area: Area = AREA, options: JudgementOptions = OPTIONS, *, goes_on: bool = False
) -> list[Entry]:
    court = Court({area.name: area}, options, Journal(journal, goes_on=goes_on), lambda _: None)
    return court.judge([each for each in mutants_of(area) if each.operator in ("if_exp", "swap_op")][:2])


def test_mutants_are_judged_once(tmp_path: Path) -> None:
    found = _judged(tmp_path / "journal")
    assert {entry.judge for entry in found} == {Judge.TESTS}
    assert Verdict.NOTICED in {entry.verdict for entry in found}
    assert all(entry.by.startswith(AREA.tests[0]) for entry in found if entry.verdict is Verdict.NOTICED)
    before = (tmp_path / "journal").read_text()
    assert _judged(tmp_path / "journal", goes_on=True) == found
    assert (tmp_path / "journal").read_text() == before


def test_a_scenario_counts_if_the_product_itself_passes_it(tmp_path: Path) -> None:
    options = replace(OPTIONS, judges=(Judge.GATE,))
    found = _judged(tmp_path / "journal", replace(AREA, scenarios=AREA.tests), options)
    noticed = [entry for entry in found if entry.verdict is Verdict.NOTICED]
    assert {entry.judge for entry in noticed} == {Judge.GATE}
    assert {entry.by.partition("::")[0] for entry in noticed} == {AREA.tests[0]}

    missing = replace(AREA, scenarios=(f"{AREA.tests[0]}::test_there_is_none",))
    found = _judged(tmp_path / "journal", missing, options)
    assert {entry.verdict for entry in found} == {Verdict.UNDECIDED}
    assert "without a mutant" in found[0].words


def test_without_a_record_all_tests_of_the_part_are_asked(tmp_path: Path) -> None:
    found = _judged(tmp_path / "journal", options=replace(OPTIONS, are_recorded=False))
    assert Verdict.NOTICED in {entry.verdict for entry in found}
    known = Journal(tmp_path / "journal", goes_on=True)
    # The product itself was judged by the test that noticed a mutant, and by no other.
    assert known.find(found[0].version, "", Judge.TESTS, OPTIONS.seed) is None
    assert all(known.find(entry.version, entry.by, entry.judge, entry.seed) for entry in found if entry.by)


def test_nothing_is_judged_by_tests_that_the_product_fails(tmp_path: Path) -> None:
    with pytest.raises(NotSound, match="reasons without a mutant, by tests"):
        _judged(tmp_path / "journal", replace(AREA, tests=(f"{AREA.tests[0]}::test_there_is_none",)))


def test_what_has_no_time_left_is_undecided(tmp_path: Path) -> None:
    _judged(tmp_path / "journal")
    late = replace(OPTIONS, until=time.monotonic() - 1, seed=2)
    with pytest.raises(NotSound, match="no time left"):
        _judged(tmp_path / "journal", options=late, goes_on=True)
