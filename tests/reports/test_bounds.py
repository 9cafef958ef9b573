"""Bounds of claims: the largest count of none, of proven scenarios alone."""

from __future__ import annotations

from reports.bounds import bound_of
from reports.texts import figure
from tests.reports.samples import scenario


def none_of(chances: int) -> dict[str, object]:
    return {"value": 0, "unit": "packets", "limit": 0, "of": chances}


def test_the_largest_count_of_none_is_the_bound() -> None:
    few = scenario(measured={"late": none_of(40), "flips": 6, "took": {"value": 0, "unit": "s"}})
    many = scenario(measured={"leaked": none_of(12_000)})
    for order in ((few, many), (many, few)):
        assert bound_of(order) == f"leaked: {figure(none_of(12_000))}"
    assert "fewer than 1 in" in bound_of([few, many])


def test_a_count_of_some_bounds_nothing() -> None:
    leaking = scenario(measured={"leaked": {**none_of(12_000), "value": 3}, "late": none_of(40)})
    assert bound_of([leaking]) == f"late: {figure(none_of(40))}"


def test_only_proven_scenarios_bound_a_claim() -> None:
    assert bound_of([scenario(verdict="refuted", measured={"leaked": none_of(12_000)})]) == ""
    assert bound_of([scenario(verdict="inconclusive", measured={"leaked": none_of(12_000)})]) == ""


def test_without_counted_chances_there_is_no_bound() -> None:
    for value in (0, "none", {"value": 0}, {"value": 0, "of": "many"}, {"value": 0, "of": True}, {"value": 0, "of": 0}):
        assert bound_of([scenario(measured={"leaked": value})]) == ""
    assert bound_of([]) == ""
