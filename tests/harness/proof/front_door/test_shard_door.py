"""The front door of one of many hubs has one address, and is proven for that one."""

from __future__ import annotations

import pytest

from harness.proof.front_door import Claim, prove_door
from tests.harness.proof.front_door.doors import ADDRESS, OF_A_SHARD, Doorway

_ANSWER = "add rule inet mwtestdoor answer"


@pytest.mark.long
def test_a_door_with_one_address_is_proven(doorway: Doorway) -> None:
    doorway.load(layout=OF_A_SHARD)
    by_classes, by_z3 = prove_door(doorway.read())
    assert (by_classes.counterexamples, by_z3.counterexamples) == ((), ())


@pytest.mark.long
@pytest.mark.parametrize(
    ("old", "new", "claim"),
    [
        (f"ip saddr set {ADDRESS}", "meta mark set 0x0", None),
        (
            f"{_ANSWER} ip saddr set {ADDRESS}",
            f"{_ANSWER} @th,64,32 != 67108864 ip saddr set {ADDRESS}",
            Claim.ADDRESS,
        ),
        ("add rule inet mwtestdoor public counter name malformed drop", "", Claim.CLOSED),
        ("@th,64,32 67108864 goto session", "@th,64,32 4 goto session", Claim.RESUMES),
        ("map @sessions goto deliver", "map @sessions drop", Claim.ARRIVES),
    ],
)
def test_a_wrong_door_with_one_address_is_refuted(doorway: Doorway, old: str, new: str, claim: Claim | None) -> None:
    doorway.load((old, new), layout=OF_A_SHARD)
    found = [{Claim(each.wanted) for each in proof.counterexamples} for proof in prove_door(doorway.read())]
    # A door that has no address of its own has to answer for each of the host's.
    assert {claim in each if claim else bool(each) for each in found} == {True}
