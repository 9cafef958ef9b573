"""State of a run in a file."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import msgspec
import pytest

from reports.events.board import Board, View
from reports.events.format import ScenarioBegun, ScenarioEnded
from reports.events.page import Stage
from reports.events.state import MOST_ROWS, RunState, StateFile, state_of
from tests.reports.events.samples import BEGUN, CLAIM, FIGURES, RUN, after
from tests.waiting import DEADLINE, wait_until


def state(file: Path) -> RunState:
    """Reads a state."""
    return msgspec.json.decode(file.read_bytes(), type=RunState)


def test_the_file_follows_the_run_and_keeps_its_end(tmp_path: Path) -> None:
    file, board = tmp_path / "live.json", Board()
    with StateFile(file, board, pause_s=0.01):
        assert (state(file).stage, state(file).running) == (Stage.RUNS, ())
        for event in RUN[: RUN.index(FIGURES) + 1]:
            board.apply(event)
        until = time.monotonic() + DEADLINE
        while not (running := state(file).running) or not running[0].streams[0].sent:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert running[0].streams[0].sent == FIGURES.sent
        for event in RUN[RUN.index(FIGURES) + 1 :]:
            board.apply(event)
    assert (state(file).stage, state(file).is_over, state(file).running) == (Stage.PASSED, True, ())
    assert file.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["live.json"]


def test_a_run_without_a_verdict_ended_early(tmp_path: Path) -> None:
    with StateFile(tmp_path / "live.json", after([BEGUN])):
        pass
    told = state(tmp_path / "live.json")
    assert (told.stage, told.is_over) == (Stage.CUT, True)


def test_the_newest_of_many_scenarios_are_told() -> None:
    board = after([BEGUN])
    for number in range(100):
        name = f"test_{number}"
        board.apply(ScenarioBegun(claim=CLAIM, scenario=name, title=name, at=1.0))
        if number % 2:
            board.apply(ScenarioEnded(claim=CLAIM, scenario=name, verdict="refuted", seconds=1.0, why="lost", at=2.0))
    told = state_of(board.wait(-1, 0), 0.0)
    assert [row.name for row in told.ended] == [f"test_{number}" for number in range(99, 99 - 2 * MOST_ROWS, -2)]
    assert len(told.running) == MOST_ROWS
    assert (told.counts["refuted"], told.counts["scenarios"]) == (50, 100)


def test_a_folder_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"), StateFile(tmp_path / "nowhere" / "live.json", Board()):
        pass


class _CountingBoard(Board):
    """A board that counts how often somebody waits for its next change."""

    waits = 0

    def wait(self, change: int, timeout_s: float) -> View:
        self.waits += 1
        return super().wait(change, timeout_s)

    def waited_more_than(self, waits: int) -> bool:
        return self.waits > waits


def test_a_disk_that_is_full_later_ends_no_run(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    board = _CountingBoard()
    with StateFile(folder / "live.json", board, pause_s=0.01):
        # A folder that goes at once leaves no write in the middle of its removal.
        folder.rename(tmp_path / "gone")
        # Between two waits the file was to be written.
        for event in RUN[:2]:
            waits = board.waits
            board.apply(event)
            wait_until(partial(board.waited_more_than, waits))
    assert not folder.exists()
