"""Organizations signed up to a working mesh, a few side by side, with real clients, in bursts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from harness.bench import population
from harness.bench.goals import Measured
from harness.bench.population import CONNECTIONS
from harness.burst.attempt import Attempt
from harness.burst.clients import client_pairs
from harness.burst.coordinator import BurstSpec
from harness.burst.report import figures_of
from harness.burst.run import burst
from harness.judging.verdicts import Inconclusive
from harness.world.world import World

_BATCHES = 4
_ALONE, _ALONE_AT_MOST = 2, 50
"""So many organizations without clients for one with, as they take half as long; and enough to be a steady pace."""


def measure(world: World, organizations: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Bursts with clients take turns with batches of the same calls without any.

    What it takes to end a tunnel counts into the rate, but not into the time.

    Args:
        organizations: to sign up with clients; they stay.
    """
    machines = client_pairs(world, CONNECTIONS)
    size = max(1, organizations // _BATCHES)
    attempts: list[Attempt] = []
    rates, alone = [], []
    for number in range(_BATCHES):
        batch = burst(world, machines, BurstSpec(size, f"batch-{number}-", keep=True))
        attempts += batch
        figures = figures_of(batch, size)
        rates.append(figures.rate_per_s)
        start = time.monotonic()
        count = _alone(size)
        population.sign_up(world.subject.service, f"without-clients-{number}", count, 2)
        alone.append(count / (time.monotonic() - start))
        tell(
            f"onboarding, batch {number + 1} of {_BATCHES}: {rates[-1]:.1f}/s with clients "
            f"({figures.errors} errors), {alone[-1]:.1f}/s without"
        )
    return _summary(attempts, size * _BATCHES, rates, alone)


def _alone(size: int) -> int:
    return min(_ALONE * size, _ALONE_AT_MOST)


def _summary(attempts: list[Attempt], asked: int, rates: list[float], alone: list[float]) -> dict[str, Measured]:
    figures = figures_of(attempts, asked)
    first = next((each.error for each in attempts if each.error is not None), "")
    if figures.p50_ms is None or figures.p95_ms is None:
        raise Inconclusive(f"no mesh came to work: {first}")
    said = f"{asked} organizations, {figures.errors} errors{f' ({first})' if first else ''}"
    text = f"{said}, {CONNECTIONS} at once"
    took = [each.seconds for each in attempts if each.seconds is not None]
    return {
        "onboarding-rate": Measured(statistics.median(rates), text, (min(rates), max(rates))),
        "signup-rate": Measured(
            statistics.median(alone),
            f"{len(alone)} times {_alone(asked // len(alone))} organizations, {CONNECTIONS} at once",
            (min(alone), max(alone)),
        ),
        "onboarding-p95": Measured(
            figures.p95_ms / 1e3, f"{said}; median {figures.p50_ms / 1e3:.2f} s", (min(took), max(took))
        ),
    }
