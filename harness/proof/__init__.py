"""Proof, over all packets, that a network namespace forwards exactly what a policy allows."""

from harness.proof.errors import Unmodelled
from harness.proof.kinds import kinds
from harness.proof.policy import Machine, Policy
from harness.proof.proof import Proof, prove
from harness.proof.readback import Reading, read
from harness.proof.ways import Ways, read_ways, strays

__all__ = [
    "Machine",
    "Policy",
    "Proof",
    "Reading",
    "Unmodelled",
    "Ways",
    "kinds",
    "prove",
    "read",
    "read_ways",
    "strays",
]
