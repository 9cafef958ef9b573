"""Cost of a hostile organization to an ordinary one, at the worst of four attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.bench.beside import Measured
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
        "neighbour-reads": _worst(found, lambda each: each.reads),
        "neighbour-saves": _worst(found, lambda each: each.saves),
        "neighbour-log-in": _worst(found, lambda each: each.log_ins),
    }


def _worst(found: Mapping[str, Slowdown], figure: Callable[[Slowdown], float]) -> Measured:
    values = {name: figure(each) for name, each in found.items()}
    others = ", ".join(f"{name} {value:.3g}" for name, value in values.items())
    # The attacks are no turns of one measurement.
    return Measured(max(values.values()), f"its own quiet median; the worst of {others}")
