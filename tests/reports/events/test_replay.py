"""Replay of a recording: order, pace and end."""

from __future__ import annotations

import math
import threading

import pytest
from msgspec.structs import replace

from reports.events.board import Board
from reports.events.replay import replay
from tests.reports.events.samples import FIGURES, RUN, RUNS


class Pauses(threading.Event):
    """Notes how long is waited, and waits for nothing."""

    def __init__(self, most: int = 1000) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return len(self.seconds) > self._most


@pytest.mark.parametrize("speed", [1.0, 10.0, 0.5])
def test_a_replay_takes_as_long_as_the_run_by_its_speed(speed: float) -> None:
    pauses, board = Pauses(), Board()
    replay(RUN, board, speed, pauses)
    assert sum(pauses.seconds) == pytest.approx(max(each.at for each in RUN) / speed)
    view = board.wait(-1, 0)
    assert (view.end, view.is_cut) == (RUN[-1], False)


def test_times_that_make_no_sense_end_no_replay() -> None:
    pauses, board = Pauses(), Board()
    told = [replace(FIGURES, at=at) for at in (-5.0, 1e300, 3.0, math.inf, math.nan, 0.0)]
    replay([RUNS, *told], board, 1.0, pauses)
    assert pauses.seconds == [2.0, 60.0]
    assert board.wait(-1, 0).is_cut


def test_a_replay_can_be_ended() -> None:
    board = Board()
    replay(RUN, board, 1.0, Pauses(most=2))
    assert board.wait(-1, 0).end is None
