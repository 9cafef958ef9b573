"""Repair of damage under a running stream: time until packets arrive again."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable

from harness.bench.beside import Measured, measured
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.outage import HealthStream
from harness.world.damage import LINK, PROCESSES, ROUTES, RULES, Damage
from harness.world.inside import Inside
from harness.world.world import World
from netlab import wait_until
from netlab.examples import plainhub

_DEADLINE = 20.0
_MENDED = "damage was repaired"
_POLL = 0.02

_ROWS = {
    "recovery-rules": ("no ruleset", "no overlay route", "no rule for the mark"),
    "recovery-link": ("the link is gone", "WireGuard is killed"),
}


def measure(world: World, rounds: int, tell: Callable[[str], None]) -> dict[str, Measured]:
    """Does one kind of damage after the other. Machines' own timers would take minutes to recover from most of them.

    Args:
        rounds: number of damages of each kind.
        tell: takes messages about progress.

    Raises:
        Inconclusive: the service logs no repair.
        Refuted: the stream does not recover.
    """
    mesh = world.organization(Record())
    mumbai, pune = mesh.machines("mumbai", "pune")
    inside = Inside(world.subject.service, mesh, mumbai, pune)
    known = {damage.name: damage for damage in (*RULES, *ROUTES, *LINK, *PROCESSES)}
    rows = {row: [known[name] for name in names if inside.is_possible(known[name])] for row, names in _ROWS.items()}
    outages: dict[str, list[float]] = {damage.name: [] for kinds in rows.values() for damage in kinds}
    mended: dict[str, list[float]] = {name: [] for name in outages}
    commands: dict[str, list[float]] = {name: [] for name in outages}
    bare: list[float] = []
    router, address = world.router()
    with HealthStream(mumbai, pune, Record()) as stream:
        stream.wait_until_whole(_DEADLINE)
        for number in range(rounds):
            for name in outages:
                outage, seconds, command = _damage_once(world, inside, stream, known[name])
                outages[name].append(outage * 1e3)
                mended[name].append(seconds * 1e3)
                commands[name].append(command * 1e3)
            began = time.monotonic()
            hub = plainhub.connect(router, address, [])
            bare.append((time.monotonic() - began) * 1e3)
            hub.tunnel.down()
            tell(f"damage, round {number + 1} of {rounds}: {_medians({n: v[-1:] for n, v in outages.items()})}")

    def summary(row: str, beside: Callable[[int], float], name: str) -> Measured:
        names = [damage.name for damage in rows[row]]
        # A turn is one round, with each kind of damage.
        turns = range(rounds)
        took = [statistics.median(outages[each][turn] for each in names) for turn in turns]
        own = statistics.median(each for damage in names for each in mended[damage])
        more = f"{_medians({each: outages[each] for each in names})}; the service's own count: {own:.1f} ms"
        return measured(took, [beside(turn) for turn in turns], "ms", name, more)

    rules = [damage.name for damage in rows["recovery-rules"]]
    return {
        "recovery-rules": summary(
            "recovery-rules",
            lambda turn: statistics.median(commands[each][turn] for each in rules),
            "the command that did the damage",
        ),
        "recovery-link": summary("recovery-link", bare.__getitem__, "a bare link by wg-quick"),
    }


def _medians(times: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {statistics.median(values):.0f} ms" for name, values in times.items())


def _damage_once(world: World, inside: Inside, stream: HealthStream, damage: Damage) -> tuple[float, float, float]:
    """Returns the seconds without packets, those that the service logged for its repairs, and those of the damage."""
    before = len(_repairs(world))
    start = stream.expect_loss()
    began = time.monotonic()
    inside.apply(damage)
    command = time.monotonic() - began
    if not wait_until(lambda: len(_repairs(world)) > before, _DEADLINE, _POLL):
        raise Inconclusive(f"{damage}: the service noticed nothing in {_DEADLINE:.0f} s")
    return stream.outage(start, stream.wait_until_whole(_DEADLINE)), sum(_repairs(world)[before:]), command


def _repairs(world: World) -> list[float]:
    """Returns the seconds of each repair in the service's log."""
    lines = [line for line in world.subject.service.log_text().splitlines() if _MENDED in line]
    found = [re.search(r"seconds[\"']?[=:] ?([0-9.e-]+)", line) for line in lines]
    return [float(each[1]) for each in found if each]
