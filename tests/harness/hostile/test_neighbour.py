"""Bounds of the cost of a hostile tenant for an ordinary one, and their measurement."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.hostile.neighbour import CallTimes, Neighbour, Slowdown
from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh

QUIET = CallTimes([0.004, 0.005, 0.5], [0.01, 0.02, 0.03], [0.04])


def test_medians_are_compared_and_the_slowest_log_in_counts() -> None:
    found = CallTimes([0.01, 0.01, 9.0], [0.04, 0.04], [0.1, 0.7]).compared_with(QUIET)
    assert [found.reads, found.saves, found.log_in_s, found.log_ins] == pytest.approx([2.0, 2.0, 0.7, 17.5])
    assert found.violations() == []


@pytest.mark.parametrize(
    ("slowdown", "about"),
    [
        (Slowdown(3.1, 1.0, 0.1, 1.0), "reads took 3.1 times"),
        (Slowdown(1.0, 5.1, 0.1, 1.0), "saves took 5.1 times"),
        (Slowdown(1.0, 1.0, 1.1, 1.0), "log-in took 1.10 s"),
    ],
)
def test_each_figure_above_its_bound_is_reported(slowdown: Slowdown, about: str) -> None:
    (violation,) = slowdown.violations()
    assert about in violation


def test_a_slow_machine_has_more_time_for_a_log_in_only() -> None:
    assert Slowdown(3.0, 5.0, 1.9, 1.0).violations(patience=2.0) == []
    assert len(Slowdown(4.0, 6.0, 2.1, 1.0).violations(patience=2.0)) == 3


class Scripted(Neighbour):
    """A neighbour on a machine that becomes slower: each measurement takes a second more than the previous one.

    Args:
        beside_attack: seconds that a call takes in each turn of the attack, if it takes one second in a quiet time.
    """

    def __init__(self, beside_attack: tuple[float, ...] = ()) -> None:
        self._record = Record()
        self._patience = 1.0
        self.beside_attack = list(beside_attack)
        self.is_attacked = False
        self.times: list[str] = []

    @contextmanager
    def streaming(self) -> Iterator[Any]:
        yield None

    def measure(self, seconds: float) -> CallTimes:
        self.times.append(f"{'attacked' if self.is_attacked else 'quiet'} for {seconds:g} s")
        took = [float(len(self.times))]
        if self.beside_attack:
            took = [self.beside_attack.pop(0)] if self.is_attacked else [1.0]
        return CallTimes(took, took, [0.1])

    @contextmanager
    def attack(self) -> Iterator[str]:
        self.is_attacked = True
        yield f"turn {len(self.times)}"
        self.is_attacked = False


class Silenced(Neighbour):
    """A neighbour whose new machines get no answer from the others."""

    def __init__(self) -> None:
        self.mesh = cast(Mesh, SimpleNamespace(machine=lambda _: SimpleNamespace(reaches=lambda _: False)))
        self._machines = [cast(Machine, None)]
        self._numbers = itertools.count(1)


def test_a_new_machine_without_connections_refutes() -> None:
    with pytest.raises(Refuted, match="newcomer-1 of an ordinary one could open no connection"):
        Silenced().add_machine()


def test_quiet_and_attacked_times_alternate_to_cancel_drift() -> None:
    neighbour = Scripted()
    slowdown, results = neighbour.measure_by_turns(neighbour.attack, 2.0)
    quiet, attacked = "quiet for 1 s", "attacked for 1 s"
    assert neighbour.times == [quiet, attacked, quiet, attacked, quiet]
    assert [slowdown.reads, slowdown.saves] == [1.0, 1.0]
    assert results == ["turn 1", "turn 3"]


def test_a_delay_by_chance_is_measured_again() -> None:
    neighbour = Scripted((4.0, 4.0, 1.0, 1.0, 1.0, 1.0))
    assert neighbour.judge(neighbour.attack, 2.0) == ["turn 1", "turn 3", "turn 5", "turn 7"]


def test_a_delay_that_stays_refutes() -> None:
    neighbour = Scripted((3.5,) * 6)
    with pytest.raises(Refuted, match=r"reads took 3\.5 times as long"):
        neighbour.judge(neighbour.attack, 2.0)
    assert neighbour.beside_attack == []
