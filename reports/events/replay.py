"""Replay of a recording: its events in their order, at the pace of the run."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable

from reports.events.board import Board
from reports.events.format import AnyEvent

_LONGEST_PAUSE_S = 60.0


def replay(events: Iterable[AnyEvent], board: Board, speed: float, stop: threading.Event | None = None) -> None:
    """Shows a recording on a board, and notes where it ends.

    Args:
        events: the recording.
        board: takes the events.
        speed: factor by which it goes faster than the run did.
        stop: ends it early.
    """
    stop = stop or threading.Event()
    shown_s = 0.0
    for event in events:
        pause = event.at - shown_s
        if math.isfinite(pause) and pause > 0:
            if stop.wait(min(pause, _LONGEST_PAUSE_S) / speed):
                return
            shown_s = event.at
        board.apply(event)
    board.cut()
