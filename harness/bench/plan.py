"""List of all measurements, their rows, and the sizes of each profile."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from harness.bench import (
    changes,
    coldstart,
    density,
    gates,
    large_organization,
    load,
    neighbours,
    onboarding,
    proofs,
    recovery,
    restarts,
    starts,
    sustained,
    throughput,
)
from harness.bench.beside import Measured
from harness.subject.kinds import OwnService
from harness.world.damage import ANYTHING
from harness.world.world import World

Tell = Callable[[str], None]

_MOST_ERRORS = 3
_LARGE = 200
"""Machines of a large organization."""


@dataclass(frozen=True)
class Effort:
    """Sizes of the measurements of a profile.

    Attributes:
        rounds: turns of each side of a comparison.
        seconds: seconds of TCP in each turn.
        saves: saves of one organization.
        flips: changes between deny and allow under traffic.
        adds: machines that are added to one organization.
        organizations: organizations side by side, where their number is the subject.
        loaded: organizations that saves are spread over.
        load_seconds: seconds of saves at a steady rate.
        onboarded: organizations with real clients.
        damages: damages of each kind.
        restarted: organizations during restarts of both processes.
        restarts: restarts of each kind, and cold starts.
        starts: starts of each command.
    """

    rounds: int
    seconds: int
    saves: int
    flips: int
    adds: int
    organizations: int
    loaded: int
    load_seconds: int
    onboarded: int
    damages: int
    restarted: int
    restarts: int
    starts: int

    def with_at_most(self, organizations: int) -> Effort:
        """Returns this effort with every number of organizations bounded."""
        return replace(
            self,
            organizations=min(self.organizations, organizations),
            loaded=min(self.loaded, organizations),
            onboarded=min(self.onboarded, organizations),
            restarted=min(self.restarted, organizations),
        )


EFFORTS = {
    "quick": Effort(
        rounds=5,
        seconds=2,
        saves=200,
        flips=500,
        adds=50,
        organizations=100,
        loaded=100,
        load_seconds=8,
        onboarded=40,
        damages=5,
        restarted=50,
        restarts=1,
        starts=9,
    ),
    "full": Effort(
        rounds=7,
        seconds=4,
        saves=1000,
        flips=10_000,
        adds=150,
        organizations=1000,
        loaded=500,
        load_seconds=20,
        onboarded=1000,
        damages=10,
        restarted=200,
        restarts=5,
        starts=15,
    ),
}


@dataclass(frozen=True)
class Step:
    """Rows that are measured together.

    Attributes:
        rows: ids of the rows.
        measure: measures in a lab of its own; takes the effort, the hub's WireGuard implementation, and a function for
            messages.
        quick: the quick profile includes it.
    """

    rows: tuple[str, ...]
    measure: Callable[[Effort, str, Tell], dict[str, Measured]]
    quick: bool = False


def _with_service(
    measure: Callable[[World, Effort, Tell], dict[str, Measured]],
) -> Callable[[Effort, str, Tell], dict[str, Measured]]:
    """Gives a measurement a lab with a service of its own, without organizations of other measurements."""

    def measured(effort: Effort, wireguard: str, tell: Tell) -> dict[str, Measured]:
        with World(partial(OwnService, wireguard=wireguard)) as world, world.subject.without_faults(ANYTHING):
            try:
                return measure(world, effort, tell)
            except Exception:
                # The logs go with the lab, and only they have the reason of a refusal.
                for line in _last_errors(world.subject.service.log_text()):
                    tell(f"the service said: {line}")
                raise

    return measured


def _last_errors(log: str) -> list[str]:
    return [line for line in log.splitlines() if '"error"' in line or "Traceback" in line][-_MOST_ERRORS:]


PLAN = (
    Step(
        ("throughput", "throughput-10000-rules"),
        _with_service(lambda world, e, tell: throughput.measure(world, e.rounds, e.seconds, tell)),
        quick=True,
    ),
    Step(
        ("save-median", "save-p99", "late-packets", "machine-add"),
        _with_service(lambda world, e, tell: changes.measure(world, e.saves, e.flips, e.adds, tell)),
        quick=True,
    ),
    Step(
        ("save-large", "save-beside-large"),
        _with_service(lambda world, e, tell: large_organization.measure(world, _LARGE, e.saves // 2, tell)),
        quick=True,
    ),
    Step(
        ("neighbour-reads", "neighbour-saves", "neighbour-log-in"),
        _with_service(lambda world, e, tell: neighbours.measure(world, float(e.seconds), tell)),
        quick=True,
    ),
    Step(
        ("start-help", "start-status", "start-census", "start-up"),
        _with_service(lambda world, e, tell: starts.measure(world, e.starts, tell)),
        quick=True,
    ),
    Step(
        ("first-ping",),
        _with_service(lambda world, e, tell: onboarding.measure(world, e.rounds, tell)),
        quick=True,
    ),
    Step(
        ("onboarding-rate", "onboarding-p95", "signup-rate"),
        _with_service(lambda world, e, tell: sustained.measure(world, e.onboarded, tell)),
        quick=True,
    ),
    Step(
        ("recovery-rules", "recovery-link"),
        _with_service(lambda world, e, tell: recovery.measure(world, e.damages, tell)),
        quick=True,
    ),
    Step(
        ("proof-5", "proof-50", "proof-200", "proof-groups"),
        _with_service(lambda world, e, tell: proofs.measure(world, e.rounds, tell)),
    ),
    Step(
        ("save-p99-loaded",),
        _with_service(lambda world, e, tell: load.measure(world, e.loaded, e.load_seconds, tell)),
    ),
    Step(
        ("restart-loss", "save-again"),
        _with_service(lambda world, e, tell: restarts.measure(world, e.restarted, e.restarts, tell)),
    ),
    Step(
        ("throughput-1000-organizations", "idle-organization"),
        _with_service(lambda world, e, tell: density.measure(world, e.organizations, e.rounds, e.seconds, tell)),
    ),
    Step(
        ("cold-start",),
        _with_service(lambda world, e, tell: coldstart.measure(world, e.organizations, e.restarts, tell)),
    ),
    Step(("gate-quick",), lambda _, wireguard, tell: gates.measure("quick", wireguard, tell)),
    Step(("gate-full",), lambda _, wireguard, tell: gates.measure("full", wireguard, tell)),
)


def chosen(profile: str, only: Collection[str]) -> list[Step]:
    """Returns the measurements of a profile, or those that fill the rows in ``only``."""
    if only:
        return [each for each in PLAN if set(each.rows) & set(only)]
    return [each for each in PLAN if each.quick or profile == "full"]
