"""What there is to measure, which rows each measurement fills, and how much of it a run does."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

from harness.bench import (
    changes,
    coldstart,
    crowd,
    density,
    gates,
    load,
    neighbours,
    onboarding,
    recovery,
    restarts,
    sustained,
    throughput,
)
from harness.bench.goals import Measured
from harness.subject.kinds import OwnService
from harness.world.world import World

Tell = Callable[[str], None]

_COMPLAINTS = 3


@dataclass(frozen=True)
class Effort:
    """How much is measured; more takes longer and says more.

    Attributes:
        rounds: turns of each side of a comparison.
        seconds: of TCP in each turn.
        saves, flips, adds: of one organization.
        crowd: machines of a large organization.
        organizations: that exist side by side, where their number is what is measured.
        loaded: that saves are spread over.
        load_seconds: of saves at a steady pace.
        onboarded: with real clients.
        damages: of each kind.
        restarted: that exist while both processes are started again.
        restarts: of each kind, and cold starts.
    """

    rounds: int
    seconds: int
    saves: int
    flips: int
    adds: int
    crowd: int
    organizations: int
    loaded: int
    load_seconds: int
    onboarded: int
    damages: int
    restarted: int
    restarts: int

    def with_at_most(self, organizations: int) -> Effort:
        """The same with no more organizations anywhere."""
        return replace(
            self,
            organizations=min(self.organizations, organizations),
            loaded=min(self.loaded, organizations),
            onboarded=min(self.onboarded, organizations),
            restarted=min(self.restarted, organizations),
        )


EFFORTS = {
    "quick": Effort(
        rounds=3,
        seconds=2,
        saves=200,
        flips=500,
        adds=50,
        crowd=200,
        organizations=100,
        loaded=100,
        load_seconds=8,
        onboarded=40,
        damages=5,
        restarted=50,
        restarts=1,
    ),
    "full": Effort(
        rounds=7,
        seconds=4,
        saves=1000,
        flips=10_000,
        adds=150,
        crowd=200,
        organizations=1000,
        loaded=500,
        load_seconds=20,
        onboarded=1000,
        damages=10,
        restarted=200,
        restarts=3,
    ),
}


@dataclass(frozen=True)
class Step:
    """Rows that are measured together.

    Attributes:
        rows: their ids.
        measure: does it, in a lab of its own: takes the effort, the hub's WireGuard implementation, and who is told.
        quick: whether the quick profile has it.
    """

    rows: tuple[str, ...]
    measure: Callable[[Effort, str, Tell], dict[str, Measured]]
    quick: bool = False


def _with_service(
    measure: Callable[[World, Effort, Tell], dict[str, Measured]],
) -> Callable[[Effort, str, Tell], dict[str, Measured]]:
    """What an organization leaves behind meets no other measurement: each has a lab and a service of its own."""

    def measured(effort: Effort, wireguard: str, tell: Tell) -> dict[str, Measured]:
        with World(partial(OwnService, wireguard=wireguard)) as world:
            try:
                return measure(world, effort, tell)
            except Exception:
                # The lab goes with its logs, and what the service refused says itself why only there.
                for line in _last_complaints(world.subject.service.log_text()):
                    tell(f"the service said: {line}")
                raise

    return measured


def _last_complaints(log: str) -> list[str]:
    return [line for line in log.splitlines() if '"error"' in line or "Traceback" in line][-_COMPLAINTS:]


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
        _with_service(lambda world, e, tell: crowd.measure(world, e.crowd, e.saves // 2, tell)),
        quick=True,
    ),
    Step(
        ("neighbour-reads", "neighbour-saves", "neighbour-log-in"),
        _with_service(lambda world, e, tell: neighbours.measure(world, float(e.seconds), tell)),
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
        ("save-p99-loaded",),
        _with_service(lambda world, e, tell: load.measure(world, e.loaded, e.load_seconds, tell)),
    ),
    Step(
        ("restart-loss",),
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
    """The measurements of a profile, or those that fill the rows that are asked for."""
    if only:
        return [each for each in PLAN if set(each.rows) & set(only)]
    return [each for each in PLAN if each.quick or profile == "full"]
