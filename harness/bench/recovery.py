"""Repair of damage under a running stream: time until packets arrive again."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    rows = {row: [name for name in names if inside.is_possible(known[name])] for row, names in _ROWS.items()}
    repairs: dict[str, list[_Repair]] = {name: [] for names in rows.values() for name in names}
    bare: list[float] = []
    router, address = world.router()
    with HealthStream(mumbai, pune, Record()) as stream:
        stream.wait_until_whole(_DEADLINE)
        for number in range(rounds):
            for name, found in repairs.items():
                found.append(_damage_once(world, inside, stream, known[name]))
            began = time.monotonic()
            hub = plainhub.connect(router, address, [])
            bare.append((time.monotonic() - began) * 1e3)
            hub.tunnel.down()
            tell(f"damage, round {number + 1} of {rounds}: {_medians({n: v[-1:] for n, v in repairs.items()})}")
    rules, link = ({name: repairs[name] for name in rows[row]} for row in _ROWS)
    commands = [statistics.median(each.command for each in turn) for turn in _turns(rules)]
    return {
        "recovery-rules": _row(rules, commands, "the command that did the damage"),
        "recovery-link": _row(link, bare, "a bare link by wg-quick"),
    }


@dataclass(frozen=True)
class _Repair:
    """Times of one damage and its repair, in milliseconds.

    Attributes:
        outage: time without packets.
        own: time that the service logged for its repairs.
        command: time of the command that did the damage.
    """

    outage: float
    own: float
    command: float


def _row(repairs: Mapping[str, Sequence[_Repair]], beside: Sequence[float], name: str) -> Measured:
    """Returns the row of some kinds of damage.

    Args:
        repairs: their repairs in order, by kind.
        beside: milliseconds of the other side, one figure for each turn.
        name: name of the other side.
    """
    took = [statistics.median(each.outage for each in turn) for turn in _turns(repairs)]
    own = statistics.median(each.own for found in repairs.values() for each in found)
    return measured(took, beside, "ms", name, f"{_medians(repairs)}; the service's own count: {own:.1f} ms")


def _turns(repairs: Mapping[str, Sequence[_Repair]]) -> Iterator[tuple[_Repair, ...]]:
    """Lists the turns: each is a round, with one repair of each kind of damage."""
    return zip(*repairs.values(), strict=True)


def _medians(repairs: Mapping[str, Sequence[_Repair]]) -> str:
    medians = {name: statistics.median(each.outage for each in found) for name, found in repairs.items()}
    return ", ".join(f"{name} {median:.0f} ms" for name, median in medians.items())


def _damage_once(world: World, inside: Inside, stream: HealthStream, damage: Damage) -> _Repair:
    before = len(_repairs(world))
    start = stream.expect_loss()
    began = time.monotonic()
    inside.apply(damage)
    command = time.monotonic() - began
    if not wait_until(lambda: len(_repairs(world)) > before, _DEADLINE, _POLL):
        raise Inconclusive(f"{damage}: the service noticed nothing in {_DEADLINE:.0f} s")
    outage = stream.outage(start, stream.wait_until_whole(_DEADLINE))
    return _Repair(outage * 1e3, sum(_repairs(world)[before:]) * 1e3, command * 1e3)


def _repairs(world: World) -> list[float]:
    """Returns the seconds of each repair in the service's log."""
    lines = [line for line in world.subject.service.log_text().splitlines() if _MENDED in line]
    found = [re.search(r"seconds[\"']?[=:] ?([0-9.e-]+)", line) for line in lines]
    return [float(each[1]) for each in found if each]
