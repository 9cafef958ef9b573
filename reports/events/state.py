"""State of a run that goes on, in a file that another program shows, such as a service's page of runs."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

from reports.events import page
from reports.events.board import PLANNED, RUNNING, Board, SabotageRow, ScenarioRow, StreamRow, View

MOST_ROWS = 20
"""Most scenarios and sabotages that run, and most that have ended, in the file."""

MOST_STREAMS = 6
"""Most streams of a scenario in the file."""

PAUSE_S = 1.0
"""Least time between two writes."""

HEARTBEAT_S = 10.0
"""Longest time between two writes, which shows that the run goes on."""

_OPEN = (PLANNED, RUNNING, "postponed")


class Row(msgspec.Struct, frozen=True):
    """A scenario or a sabotage.

    Attributes:
        words: title of a scenario, or what a sabotage broke.
        verdict: "running" until it has one.
        why: reason of a verdict, if it has one.
        streams: the first streams of packets of a scenario that runs, at most `MOST_STREAMS`.
    """

    claim: str
    name: str
    words: str
    verdict: str
    seconds: float = 0.0
    why: str = ""
    streams: tuple[StreamRow, ...] = ()


class RunState(msgspec.Struct, frozen=True):
    """Content of the file.

    Attributes:
        at: when it was written; seconds since the epoch.
        stage: what the run is doing, or how it ended.
        is_over: True if nothing more will happen.
        counts: numbers of scenarios by verdict, and of sabotages by outcome.
        running: what goes on, at most `MOST_ROWS`.
        ended: what ended last, newest first, at most `MOST_ROWS`.
    """

    at: float
    stage: page.Stage
    is_over: bool
    started_at: str
    profile: str
    counts: dict[str, int]
    running: tuple[Row, ...]
    ended: tuple[Row, ...]


def state_of(view: View, at: float) -> RunState:
    """Sums a board up.

    Args:
        view: the board.
        at: the time; seconds since the epoch.
    """
    rows: list[ScenarioRow | SabotageRow] = [*view.scenarios, *view.sabotages]
    ended = sorted((row for row in rows if row.state not in _OPEN), key=lambda row: -row.changed)
    return RunState(
        at=at,
        stage=page.stage(view),
        is_over=view.is_over,
        started_at="" if view.run is None else view.run.started_at,
        profile="" if view.run is None else view.run.profile,
        counts=page.counts(view),
        running=tuple(map(_row, page.running(view)[:MOST_ROWS])),
        ended=tuple(map(_row, ended[:MOST_ROWS])),
    )


def _row(row: ScenarioRow | SabotageRow) -> Row:
    return Row(
        row.claim,
        row.name,
        row.title if isinstance(row, ScenarioRow) else row.broke,
        row.state,
        row.seconds,
        row.why,
        row.streams[:MOST_STREAMS] if isinstance(row, ScenarioRow) and row.state == RUNNING else (),
    )


class StateFile:
    """Keeps a file up to date with a board while `with` lasts. It is replaced as a whole.

    A file that can't be written any more, as on a full disk, is left as it is; the run goes on.
    """

    def __init__(self, file: Path, board: Board, pause_s: float = PAUSE_S) -> None:
        """Writes nothing yet.

        Args:
            file: the file; its folder exists.
            board: the run.
            pause_s: least time between two writes.
        """
        self._file, self.board, self._pause_s = file, board, pause_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="state", daemon=True)

    def __enter__(self) -> StateFile:
        """Writes the file.

        Raises:
            OSError: it can't be written.
        """
        self._write(self.board.wait(-1, 0))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Writes how the run ended."""
        self._closing.set()
        self.board.cut()
        self._thread.join()
        with suppress(OSError):
            self._write(self.board.wait(-1, 0))

    def _follow(self) -> None:
        change = -1
        while not self._closing.wait(self._pause_s):
            view = self.board.wait(change, HEARTBEAT_S)
            change = view.change
            with suppress(OSError):
                self._write(view)

    def _write(self, view: View) -> None:
        new = self._file.with_name(f".{self._file.name}.new")
        new.write_bytes(msgspec.json.encode(state_of(view, time.time())))
        # Another user shows it.
        new.chmod(0o644)
        new.replace(self._file)
