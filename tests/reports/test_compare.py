"""Comparison of two runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from msgspec.structs import replace

from reports.compare import Change, Figure, compare
from reports.exhibits import Cell, Exhibit, Histogram, Row, TruthTable
from reports.schema import SabotageVerdict, Transcript
from tests import properties
from tests.reports.samples import SOFTWARE, claim, run, scenario, transcripts


@given(transcripts)
@properties.examples(50)
def test_a_run_does_not_differ_from_itself(made: Transcript) -> None:
    same = compare(made, made)
    assert (same.changes, same.figures, same.is_worse) == ((), (), False)


@pytest.mark.long
@given(transcripts, transcripts)
@properties.examples(50)
def test_a_reverse_comparison_has_the_reverse_changes(one: Transcript, other: Transcript) -> None:
    forth, back = compare(one, other), compare(other, one)
    assert {(c.name, c.before, c.after) for c in forth.changes} == {(c.name, c.after, c.before) for c in back.changes}
    assert {(f.name, f.before, f.after) for f in forth.figures} == {(f.name, f.after, f.before) for f in back.figures}
    # Only what was good can get worse, and not both ways at once.
    worse = {change.name for change in forth.changes if change.worse}
    assert not worse & {change.name for change in back.changes if change.worse}


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ("proven", "refuted", True),
        ("proven", "inconclusive", True),
        ("refuted", "proven", False),
        ("inconclusive", "proven", False),
        ("inconclusive", "refuted", False),
    ],
)
def test_a_changed_verdict_is_reported_for_claim_and_scenario(before: str, after: str, worse: bool) -> None:
    found = compare(
        run(claim("one-hub", scenario("test_x", before), verdict=before), claim("no-egress")),
        run(claim("one-hub", scenario("test_x", after), verdict=after), claim("no-egress")),
    )
    assert found.changes == (
        Change("one-hub", before, after, worse),
        Change("one-hub / test_x", before, after, worse),
    )
    assert found.is_worse is worse


def test_a_missing_claim_is_worse_and_a_new_one_is_not() -> None:
    fewer, more = run(claim("one-hub")), run(claim("one-hub"), claim("no-egress", scenario("test_x")))
    gone = compare(more, fewer)
    assert Change("no-egress", "proven", None, worse=True) in gone.changes
    assert Change("no-egress / test_x", "proven", None, worse=True) in gone.changes
    assert Change("sabotage break-no-egress", "noticed", None, worse=True) in gone.changes
    assert len(gone.changes) == 3
    assert gone.is_worse
    new = compare(fewer, more)
    assert Change("no-egress", None, "proven", worse=False) in new.changes
    assert len(new.changes) == 3
    assert not new.is_worse


def test_a_sabotage_left_to_other_seeds_is_not_compared() -> None:
    tried = run(claim("one-hub"), sabotage=[SabotageVerdict("leak", "one-hub", caught=True)])
    left = run(claim("one-hub"), sabotage=[], untried=["leak"])
    assert compare(tried, left).changes == ()
    assert compare(left, tried).changes == ()


def test_a_sabotage_no_longer_noticed_is_worse() -> None:
    before = run(claim("one-hub"), sabotage=[SabotageVerdict("leak", "one-hub", caught=True)])
    after = run(claim("one-hub"), sabotage=[SabotageVerdict("leak", "one-hub", caught=False)])
    assert compare(before, after).changes == (Change("sabotage leak", "noticed", "unnoticed", worse=True),)
    assert compare(before, after).is_worse
    assert not compare(after, before).is_worse


def test_numbers_are_put_side_by_side() -> None:
    def measured(**values: object) -> Transcript:
        return run(claim("one-hub", scenario("test_x", measured=values)))

    before = measured(flips=4, took={"value": 0.5, "unit": "s"}, client="wg", same=1, zero=0, works=True, gone=7)
    after = measured(flips=6, took={"value": 0.25, "unit": "s"}, client="go", same=1, zero=2, works=False, new=7)
    found = compare(before, after)
    assert found.figures == (
        Figure("one-hub / test_x: flips", 4.0, 6.0),
        Figure("one-hub / test_x: took", 0.5, 0.25),
        Figure("one-hub / test_x: zero", 0.0, 2.0),
    )
    assert [figure.ratio for figure in found.figures] == [1.5, 0.5, None]
    assert not found.is_worse


def test_the_time_of_the_whole_run_is_a_figure() -> None:
    assert compare(run(seconds=10.0), run(seconds=15.0)).figures == (Figure("seconds", 10.0, 15.0),)


def test_figures_of_two_claims_are_not_mixed_up() -> None:
    def made(first: int, second: int) -> Transcript:
        return run(
            claim("one-hub", scenario("test_x", measured={"packets": first})),
            claim("no-egress", scenario("test_x", measured={"packets": second})),
        )

    found = compare(made(1, 5), made(2, 5))
    assert [(figure.before, figure.after) for figure in found.figures] == [(1.0, 2.0)]


def shown(*of: Exhibit) -> Transcript:
    """Makes a run with these exhibits."""
    return run(claim("one-hub", scenario("test_x", exhibits=list(of))))


def test_a_cell_with_another_result_is_reported() -> None:
    def table(policy: str, arrived: int) -> TruthTable:
        return TruthTable("table 1", policy, ["icmp"], [Row("a", "b", [Cell(False, 1, arrived)])])

    right, leak = shown(table("default deny", 0)), shown(table("default deny", 1))
    name = "one-hub / test_x: table 1 (default deny), a→b icmp"
    found = compare(right, leak)
    assert found.changes == (Change(name, "denied, dropped", "denied, 1 of 1 ARRIVED", worse=True),)
    assert found.is_worse
    assert not compare(leak, right).is_worse
    # Another policy is another question.
    assert compare(right, shown(table("default allow", 1))).changes == ()


def test_figures_of_exhibits_are_put_side_by_side() -> None:
    def pings(median: float) -> Histogram:
        return Histogram("pings", "s", [0.0, 1.0], [5], 0.1, median, 0.9)

    assert compare(shown(pings(0.4)), shown(pings(0.2))).figures == (
        Figure("one-hub / test_x: pings: median", 0.4, 0.2),
    )


def test_a_missing_exhibit_is_reported_and_is_not_worse() -> None:
    found = compare(shown(Histogram("pings", "s", [0.0, 1.0], [5], 0.1, 0.2, 0.9)), shown())
    assert found.changes == (Change("one-hub / test_x: pings", "shown", None, worse=False),)


def test_chances_are_compared_beside_the_count() -> None:
    def made(of: int) -> Transcript:
        return run(claim("one-hub", scenario("test_x", measured={"late": {"value": 0, "unit": "", "of": of}})))

    found = compare(made(12_000), made(300))
    assert found.figures == (Figure("one-hub / test_x: late: chances", 12_000.0, 300.0),)


def test_what_was_tested_is_compared_and_is_not_worse() -> None:
    other = replace(SOFTWARE, tree="1" * 64, locks={"requirements.lock": "2" * 64})
    found = compare(run(tested=SOFTWARE), run(tested=other))
    assert found.changes == (
        Change("tested tree", SOFTWARE.tree, "1" * 64, worse=False),
        Change("tested requirements.lock", "e" * 64, "2" * 64, worse=False),
    )
    unknown = compare(run(tested=SOFTWARE), run(tested=replace(SOFTWARE, tree=None)))
    assert unknown.changes == (Change("tested tree", SOFTWARE.tree, "not known", worse=False),)
