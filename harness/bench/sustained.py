"""Rate of onboarding with real clients, in bursts, beside the rate of sign-ups without clients."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.bench import hashing, population
from harness.bench.beside import Measured, measured
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
"""Organizations without clients for each one with clients, as they take half as long; and the most in one batch."""


def measure(world: World, organizations: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures bursts with clients in turns with batches of sign-ups without any.

    The time to end a tunnel counts into the rate, but not into the time of an organization.

    Args:
        organizations: number of organizations with clients; they are kept.
        tell: takes messages about progress.

    Raises:
        Inconclusive: no mesh works.
    """
    machines = client_pairs(world, CONNECTIONS)
    size = max(1, organizations // _BATCHES)
    attempts: list[Attempt] = []
    rates, alone, hashes, slowest = [], [], [], []
    for number in range(_BATCHES):
        batch = burst(world, machines, BurstSpec(size, f"batch-{number}-", keep=True))
        attempts += batch
        figures = figures_of(batch, size)
        rates.append(figures.rate_per_s)
        start = time.monotonic()
        count = _alone(size)
        population.sign_up(world.subject.service, f"without-clients-{number}", count, 2)
        alone.append(count / (time.monotonic() - start))
        hashes.append(hashing.rate())
        slowest.append((figures.p95_ms or 0.0) / 1e3)
        tell(
            f"onboarding, batch {number + 1} of {_BATCHES}: {rates[-1]:.1f}/s with clients "
            f"({figures.errors} errors), {alone[-1]:.1f}/s without"
        )
    return _summary(attempts, size * _BATCHES, rates, alone, hashes, slowest)


def _alone(size: int) -> int:
    return min(_ALONE * size, _ALONE_AT_MOST)


def _summary(
    attempts: list[Attempt],
    wanted: int,
    rates: list[float],
    alone: list[float],
    hashes: list[float],
    slowest: list[float],
) -> dict[str, Measured]:
    figures = figures_of(attempts, wanted)
    first = next((each.error for each in attempts if each.error is not None), "")
    if figures.p50_ms is None or figures.p95_ms is None:
        raise Inconclusive(f"no mesh works: {first}")
    summary = f"{wanted} organizations, {figures.errors} errors{f' ({first})' if first else ''}"
    text = f"{summary}, {CONNECTIONS} at once"
    few = f"{len(alone)} times {_alone(wanted // len(alone))} organizations, {CONNECTIONS} at once"
    # Of sign-ups that wait for each other over a few connections.
    one = [CONNECTIONS / each for each in alone]
    return {
        "onboarding-rate": measured(rates, alone, "/s", "sign-ups without clients", text),
        "signup-rate": measured(alone, hashes, "/s", "Argon2 on all processors", few),
        "onboarding-p95": measured(
            slowest, one, "s", "a sign-up without clients", f"{summary}; median {figures.p50_ms / 1e3:.2f} s"
        ),
    }
