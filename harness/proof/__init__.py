"""Proof, over all packets, that a network namespace forwards exactly what a policy allows."""

from harness.proof.engines import ENGINES, UNITS, Disagreement, by_cost, prove_by
from harness.proof.errors import Unmodelled
from harness.proof.fail_closed import FailClosed, fail_closed
from harness.proof.kinds import kinds
from harness.proof.policy import Machine, Policy
from harness.proof.proof import Proof, prove
from harness.proof.readback import Reading, read
from harness.proof.ways import Ways, read_ways, strays

__all__ = [
    "ENGINES",
    "UNITS",
    "Disagreement",
    "FailClosed",
    "Machine",
    "Policy",
    "Proof",
    "Reading",
    "Unmodelled",
    "Ways",
    "by_cost",
    "fail_closed",
    "kinds",
    "prove",
    "prove_by",
    "read",
    "read_ways",
    "strays",
]
