"""Rulesets with one fault each: a real packet shows what the proof computes of each, by either engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.model.desired import Desired
from harness.proof import Proof, Reading
from harness.proof.engines import ENGINES, prove_by
from harness.proof.replay.capturing import Sight
from harness.proof.replay.showing import show
from tests.harness.proof.compiled import BY_SECOND_IN_FULL, in_buckets, mixed, policy_of
from tests.harness.proof.ruleset_faults import FAULTS, FAULTS_OF_HASHES, Edit, edited
from tests.harness.proof.test_proof import check_refuted


@pytest.mark.long
@pytest.mark.parametrize("engine", BY_SECOND_IN_FULL)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_shown_by_real_packets(reading: Reading, fault: Edit, engine: str, tmp_path: Path) -> None:
    check_refuted(_are_shown(edited(reading, fault), mixed(), engine, tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fault", FAULTS_OF_HASHES.values(), ids=FAULTS_OF_HASHES)
def test_a_fault_of_a_hash_is_shown(spread_reading: Reading, fault: Edit, engine: str, tmp_path: Path) -> None:
    _are_shown(edited(spread_reading, fault), in_buckets(), engine, tmp_path)


def without_rules(reading: Reading) -> Reading:
    """Removes all rules."""
    return replace(reading, listing={"nftables": [each for each in reading.listing["nftables"] if "metainfo" in each]})


def without_the_route(reading: Reading) -> Reading:
    """The route for allowed packets is missing."""
    return replace(reading, routes=[route for route in reading.routes if route.get("table") != "100"])


def without_forwarding(reading: Reading) -> Reading:
    """The kernel forwards nothing."""
    names = [name for name in reading.settings if name == "net.ipv4.ip_forward" or name.endswith(".forwarding")]
    return replace(reading, settings={**reading.settings, **dict.fromkeys(names, "0")})


# The first engine takes seconds for each example where everything passes.
_MOST = {"atoms": 1, "z3": 3}


@pytest.mark.drawn("engine")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("changed", [without_rules, without_the_route, without_forwarding])
def test_what_is_missing_is_shown(
    reading: Reading, changed: Callable[[Reading], Reading], engine: str, tmp_path: Path
) -> None:
    wrong = changed(reading)
    (proof,) = prove_by([engine], wrong, policy_of(mixed()), most=_MOST[engine])
    shown = show(wrong, proof.counterexamples, tmp_path, "acme")
    # Where everything passes, an example may be of a state that tracking never has, as a connection with a broadcast.
    assert any(each.sight is Sight.AS_COMPUTED for each in shown)
    assert [each.says for each in shown if each.is_contradiction] == []


def _are_shown(wrong: Reading, wanted: Desired, engine: str, folder: Path) -> Proof:
    """Checks that a real packet of each counterexample has the computed fate; returns the refutation."""
    (proof,) = prove_by([engine], wrong, policy_of(wanted), most=3)
    shown = show(wrong, proof.counterexamples, folder, "acme")
    assert len(shown) == len(proof.counterexamples) > 0
    for example, each in zip(proof.counterexamples, shown, strict=True):
        assert each.sight is Sight.AS_COMPUTED, (str(example), each.says)
    return proof
