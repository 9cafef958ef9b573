"""Rulesets with one fault each: a real packet shows what the proof computes of each, by either engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.proof import Reading
from harness.proof.engines import ENGINES, prove_by
from harness.proof.replay.showing import show
from tests.harness.proof.compiled import mixed, policy_of
from tests.harness.proof.test_proof import FAULTS, Edit, edited


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_shown_by_real_packets(reading: Reading, fault: Edit, engine: str, tmp_path: Path) -> None:
    wrong = edited(reading, fault)
    (proof,) = prove_by([engine], wrong, policy_of(mixed()), most=3)
    shown = show(wrong, proof.counterexamples, tmp_path, "acme")
    assert len(shown) == len(proof.counterexamples) > 0
    for example, each in zip(proof.counterexamples, shown, strict=True):
        assert each.is_as_computed, (str(example), each.says)
