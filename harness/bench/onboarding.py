"""Time from sign-up to the first ping between two machines."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from harness.bench.goals import Measured
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.world.world import World


def measure(world: World, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures sign-ups of an organization with two machines, up to the first ping.

    Args:
        rounds: number of organizations.
        tell: takes messages about progress.

    Raises:
        Inconclusive: a ping was not answered.
    """
    tell(f"{rounds} sign-ups to the first ping")
    took = []
    for _ in range(rounds):
        start = time.monotonic()
        mumbai, pune = world.organization(Record()).machines("mumbai", "pune")
        if not mumbai.reaches(pune, timeout=10.0):
            raise Inconclusive("the first ping was not answered")
        took.append((time.monotonic() - start) * 1e3)
    return {"first-ping": Measured(statistics.median(took), None, (min(took), max(took)))}
