"""Results of runs: file format and merging."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate.results import Results, ScenarioResult, decode, merge, write

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300) | texts
outcomes = st.builds(
    ScenarioResult,
    name=texts,
    title=texts,
    claim=texts,
    verdict=st.sampled_from(["proven", "refuted", "inconclusive"]),
    seconds=st.floats(0, 1e6),
    measured=st.dictionaries(
        texts,
        scalars | st.dictionaries(texts, scalars, max_size=3),
        max_size=3,
    ),
    controls=st.lists(texts, max_size=3),
    failure=st.none() | texts,
    evidence=st.lists(texts, max_size=3),
    was_run=st.booleans(),
)


@pytest.mark.long
@given(st.lists(outcomes, max_size=4))
def test_outcomes_survive_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, made: list[ScenarioResult]
) -> None:
    file = tmp_path_factory.getbasetemp() / "results.json"
    results = Results(made, "wireguard-go 0.0.1")
    write(file, results)
    assert decode(file.read_bytes()) == results


def test_an_empty_file_has_no_results() -> None:
    # Made by the gate, and never written to.
    assert decode(b"") == Results()


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"scenarios": [{"name": "test_x"}]}'])
def test_a_partial_file_is_rejected(content: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(content)


def outcome(name: str, verdict: str, failure: str | None = None) -> ScenarioResult:
    """Returns the result of one scenario."""
    return ScenarioResult(name, verdict, 1.0, {}, claim="live-change", failure=failure)


def left(name: str) -> ScenarioResult:
    """Returns the result of a scenario that was not run."""
    return ScenarioResult(name, "inconclusive", 0.0, {}, claim="live-change", failure="not started", was_run=False)


def test_results_of_shared_scenarios_are_merged_in_order() -> None:
    a, b, c = outcome("a", "proven"), outcome("b", "refuted", "5 packets lost"), outcome("c", "proven")
    assert merge([[left("a"), b, left("c")], [a, left("b"), c]]) == [a, b, c]


def test_a_scenario_that_no_run_took_is_kept() -> None:
    a = outcome("a", "proven")
    assert merge([[a, left("b")], [left("a"), left("b")]]) == [a, left("b")]
    # A run that was killed wrote nothing.
    assert merge([[], [a, left("b")]]) == [a, left("b")]
    assert merge([[], []]) == []


def test_scenarios_of_one_name_are_distinguished_by_their_claims() -> None:
    one, other = outcome("a", "proven"), msgspec.structs.replace(outcome("a", "proven"), claim="no-egress")
    assert merge([[one, other]]) == [one, other]
