"""What an ordinary tenant may be made to wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness.hostile.neighbour import Neighbour, Pace, Slowdown
from harness.judging.record import Record

QUIET = Pace([0.004, 0.005, 0.5], [0.01, 0.02, 0.03], [0.04])


def test_medians_are_compared_and_the_slowest_log_in_counts() -> None:
    found = Pace([0.01, 0.01, 9.0], [0.04, 0.04], [0.1, 0.7]).beside(QUIET)
    assert [found.reads, found.saves, found.log_in_s] == pytest.approx([2.0, 2.0, 0.7])
    assert found.complaints() == []


@pytest.mark.parametrize(
    ("slowdown", "about"),
    [
        (Slowdown(3.1, 1.0, 0.1), "reads took 3.1 times"),
        (Slowdown(1.0, 5.1, 0.1), "saves took 5.1 times"),
        (Slowdown(1.0, 1.0, 1.1), "log-in took 1.10 s"),
    ],
)
def test_each_bound_is_told(slowdown: Slowdown, about: str) -> None:
    (complaint,) = slowdown.complaints()
    assert about in complaint


def test_a_slow_machine_has_more_time_for_a_log_in_and_no_other_ratio() -> None:
    assert Slowdown(3.0, 5.0, 1.9).complaints(patience=2.0) == []
    assert len(Slowdown(4.0, 6.0, 2.1).complaints(patience=2.0)) == 3


class Scripted(Neighbour):
    """A neighbour on a machine where each time takes a second more than the one before."""

    def __init__(self) -> None:
        self._record = Record()
        self._patience = 1.0
        self.is_attacked = False
        self.times: list[str] = []

    @contextmanager
    def streaming(self) -> Iterator[Any]:
        yield None

    def pace(self, seconds: float) -> Pace:
        self.times.append(f"{'attacked' if self.is_attacked else 'quiet'} for {seconds:g} s")
        took = [float(len(self.times))]
        return Pace(took, took, [0.1])

    @contextmanager
    def attack(self) -> Iterator[str]:
        self.is_attacked = True
        yield f"turn {len(self.times)}"
        self.is_attacked = False


def test_quiet_and_attacked_times_take_turns_so_that_a_machine_s_drift_cancels() -> None:
    neighbour = Scripted()
    slowdown, told = neighbour.beside(neighbour.attack, 2.0)
    quiet, attacked = "quiet for 1 s", "attacked for 1 s"
    assert neighbour.times == [quiet, attacked, quiet, attacked, quiet]
    assert [slowdown.reads, slowdown.saves] == [1.0, 1.0]
    assert told == ["turn 1", "turn 3"]
