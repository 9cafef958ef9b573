"""``bench``: measures, tells, and writes what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from harness.bench import changes, onboarding, throughput
from harness.bench.targets import TARGETS, Measured, rows
from harness.world import World


@dataclass(frozen=True)
class Effort:
    """How much is measured; more takes longer and says more."""

    rounds: int
    seconds: int
    saves: int
    flips: int
    adds: int


EFFORTS = {
    "quick": Effort(rounds=3, seconds=2, saves=200, flips=500, adds=50),
    "full": Effort(rounds=7, seconds=4, saves=1000, flips=10_000, adds=150),
}


def run(effort: Effort, wireguard: str, console: Console) -> dict[str, Measured]:
    """Measures in a lab with a service of its own; what an organization leaves behind meets no other measurement."""
    tell: Callable[[str], None] = lambda text: console.print(f"  {text}")  # noqa: E731 - one line, one use
    with World(wireguard=wireguard) as world:
        found = onboarding.measure(world, effort.rounds, tell)
        found |= changes.measure(world, effort.saves, effort.flips, effort.adds, tell)
    with World(wireguard=wireguard) as world:
        found |= throughput.measure(world, effort.rounds, effort.seconds, tell)
    return found


def write(path: Path, measured: dict[str, Measured]) -> None:
    """Writes the rows that other programs read. Raises OSError."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows(measured)), indent=2) + b"\n")


def show(measured: dict[str, Measured], console: Console) -> None:
    """The table a person reads; what this run did not measure is named below it."""
    table = Table(box=None, padding=(0, 1, 0, 0), highlight=False)
    for column, justify in (("", "left"), ("measured", "right"), ("spread", "right"), ("target", "left"), ("", "left")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("beside it")
    for target in TARGETS:
        found = measured.get(target.id)
        if found is None:
            continue
        met = target.met_by(found.value)
        spread = "" if found.spread is None else f"{found.spread[0]:.3g} to {found.spread[1]:.3g}"
        mark = "" if met is None else "[green]met[/]" if met else "[red]not met[/]"
        value = f"{found.value:.3g} {target.unit}"
        table.add_row(target.id, value, spread, target.words, mark, found.baseline or "")
    console.print(table)
    missing = [target.id for target in TARGETS if target.id not in measured]
    console.print(f"Not measured by this command yet: {', '.join(missing)}.")
