"""Proof, over all datagrams and all contents of its maps, that a front door leads each to its own link or to none."""

from harness.proof.front_door.claims import Claim
from harness.proof.front_door.gate import GATE_CLAIM, GateFault, wrong_gate
from harness.proof.front_door.kinds import door_kinds
from harness.proof.front_door.proof import prove_door, wrong_links
from harness.proof.front_door.reading import DoorReading, read_door

__all__ = [
    "GATE_CLAIM",
    "Claim",
    "DoorReading",
    "GateFault",
    "door_kinds",
    "prove_door",
    "read_door",
    "wrong_gate",
    "wrong_links",
]
