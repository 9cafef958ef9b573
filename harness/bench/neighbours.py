"""Cost of a hostile organization to an ordinary one, at the worst of four attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.bench.goals import Measured
from harness.hostile import attacks
from harness.hostile.neighbour import Neighbour, Slowdown
from harness.judging.record import Record
from harness.world.world import World

_RULES = 5_000


def measure(world: World, seconds: float, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Measures an ordinary organization's calls beside each attack, in turns with quiet times.

    Args:
        seconds: time beside each attack in all.
        tell: takes messages about progress.
    """
    record = Record()
    neighbour = Neighbour(world, record)
    found = {}
    for name, attack in (
        ("flood", attacks.flood_the_front_door(world, record)),
        ("saves", attacks.save_costly_policies(world, record)),
        ("reads", attacks.read_in_a_loop(world, record, _RULES)),
        ("connections", attacks.open_connections(world, record)),
    ):
        found[name], _ = neighbour.measure_by_turns(attack, seconds)
        tell(f"beside {name}: {found[name]}")
    return {
        "neighbour-reads": _worst(found, lambda each: each.reads, "its own quiet median"),
        "neighbour-saves": _worst(found, lambda each: each.saves, "its own quiet median"),
        "neighbour-log-in": _worst(found, lambda each: each.log_in_s, "the slowest of all"),
    }


def _worst(found: Mapping[str, Slowdown], figure: Callable[[Slowdown], float], beside: str) -> Measured:
    values = {name: figure(each) for name, each in found.items()}
    worst = max(values, key=values.__getitem__)
    return Measured(values[worst], f"{beside}; worst by {worst}", (min(values.values()), values[worst]))
