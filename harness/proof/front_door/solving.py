"""z3's answer to a question about a front door."""

from __future__ import annotations

import z3

from harness.proof.bitvectors.logic import Condition
from harness.proof.errors import Unmodelled


def solved(conditions: list[Condition]) -> z3.ModelRef | None:
    """Find values of all unknowns that meet some conditions; None if there are none.

    Raises:
        Unmodelled: z3 gave up.
    """
    solver = z3.Solver()
    solver.add(*conditions)
    result = solver.check()
    if result == z3.unknown:
        raise Unmodelled(f"a question that z3 does not answer ({solver.reason_unknown()})", "proof")
    return solver.model() if result == z3.sat else None
