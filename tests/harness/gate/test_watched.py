"""Real runs of one claim that are watched: events, verdicts, readers that hang or leave, and a run that is killed."""

from __future__ import annotations

import http.client
import io
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from harness.events.feed import Feed
from harness.gate import gate, plans
from harness.gate.gate import GateRun
from harness.gate.plans import GatePlan
from harness.gate.progress import Progress
from harness.gate.results import ScenarioResult
from harness.gate.runs import RunOptions
from harness.sabotage.catalogue import SABOTAGES
from reports.addresses import listen
from reports.events import recording
from reports.events.board import Board, View
from reports.events.format import (
    AnyEvent,
    RunBegun,
    RunEnded,
    SabotageBegun,
    SabotageEnded,
    SaveAnswered,
    ScenarioBegun,
    ScenarioEnded,
    ScenarioPlanned,
    StreamBegun,
    StreamEnded,
    StreamFigures,
    encode,
)
from reports.events.recording import Recorder
from reports.events.replay import replay
from reports.events.server import LivePage
from reports.exhibits import Timeline
from tests.waiting import DEADLINE, wait_until

CLAIM = "live-change"


@dataclass
class Watched:
    """A run of the gate, and what was heard of it."""

    run: GateRun
    events: list[AnyEvent]
    view: View
    printed: str
    kinds: list[str] = field(default_factory=list)


def follow(url: str, kinds: list[str]) -> None:
    """Follows a page as a browser does, and notes the kinds of messages."""
    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=DEADLINE)
    while "over" not in kinds:
        connection.request("GET", "/")
        page = connection.getresponse().read().decode()
        path = page.partition('data-events="')[2].partition('"')[0].replace("&amp;", "&")
        connection.request("GET", path)
        with suppress(OSError):
            for line in connection.getresponse():
                name, _, value = line.decode().strip().partition(": ")
                kinds += [value] if name == "event" else []
                if value == "over":
                    break
        connection.close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Provides a run that one reader follows, from which another leaves, and to which a third does not listen.

    It has two sabotages, which mostly wait, and SQLite.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plans, "SABOTAGES", [each for each in SABOTAGES if each.waits])
        yield watch_a_run(tmp_path_factory)


def watch_a_run(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    out, evidence = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("evidence")
    recorder, board, printed = Recorder(out), Board(), io.StringIO()
    kinds: list[str] = []
    with LivePage(listen("127.0.0.1", 0), board) as page:
        host, _, port = page.url.removeprefix("http://").rstrip("/").rpartition(":")
        deaf, leaving = (socket.create_connection((host, int(port))) for _ in range(2))
        for each in (deaf, leaving):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            each.sendall(f"GET /events?board={page.token}&shape=0&since=0 HTTP/1.0\r\n\r\n".encode())
        leaving.close()
        reader = threading.Thread(target=follow, args=(page.url, kinds))
        reader.start()
        console = Console(file=printed)
        with Feed(recorder.add, lambda event, _: board.apply(event), Progress(console).show) as feed:
            run = gate.run(GatePlan(RunOptions(claim=CLAIM, seed=7, store="SQLite")), evidence, console, feed)
            feed.tell(RunEnded(verdict="pass", seconds=run.seconds))
        reader.join(DEADLINE)
        deaf.close()
    content = recorder.compressed()
    recorder.discard()
    assert content is not None
    (out / recording.NAME).write_bytes(content)
    return Watched(run, list(recording.read(out)), board.wait(-1, 0), printed.getvalue(), kinds)


def proven(watched: Watched) -> list[ScenarioResult]:
    """Returns the scenarios that are proven; on a busy machine one may not be, which is no fault of the events."""
    found = [each for each in watched.run.scenarios if each.is_proven]
    assert found
    return found


@pytest.mark.long
def test_the_events_tell_the_results_of_the_run(watched: Watched) -> None:
    begun, *_, ended = watched.events
    assert len(watched.run.sabotages) > 1
    assert isinstance(begun, RunBegun)
    assert [each.id for each in begun.claims] == [CLAIM]
    assert {each.id for each in begun.sabotages} == {each.sabotage.id for each in watched.run.sabotages}
    assert isinstance(ended, RunEnded)
    results = {each.name: (each.verdict, each.seconds) for each in watched.run.scenarios}
    told = {each.scenario: (each.verdict, each.seconds) for each in watched.events if isinstance(each, ScenarioEnded)}
    assert told == results
    for kind in (ScenarioPlanned, ScenarioBegun):
        assert {each.scenario for each in watched.events if isinstance(each, kind)} == results.keys()
    ended_as = {each.sabotage: each.outcome == "noticed" for each in watched.events if isinstance(each, SabotageEnded)}
    assert ended_as == {each.sabotage.id: each.caught for each in watched.run.sabotages}
    assert {each.sabotage for each in watched.events if isinstance(each, SabotageBegun)} == ended_as.keys()


def test_streams_and_saves_are_told_as_the_transcript_has_them(watched: Watched) -> None:
    for scenario in proven(watched):
        own = [each for each in watched.events if getattr(each, "scenario", "") == scenario.name]
        ends = [each for each in own if isinstance(each, StreamEnded)]
        assert len(ends) == sum(isinstance(each, StreamBegun) for each in own) > 0
        for each in ends:
            assert each.sent == scenario.measured[f"{each.stream} packets sent"]
            assert (each.late, each.lost) == (0, 0)
        saves = [each for each in own if isinstance(each, SaveAnswered)]
        (timeline,) = (each for each in scenario.exhibits if isinstance(each, Timeline))
        assert saves[-1].saves >= len(timeline.saves) > 0
        assert all(0 < each.ms <= each.slowest_ms for each in saves)
    denied = [each for each in watched.events if isinstance(each, StreamEnded) and each.denied]
    assert denied
    # Denied packets that are under way when a denial ends may arrive, on a busy machine many.
    assert all(0 < each.denied < each.sent > each.delivered for each in denied)
    assert any(isinstance(each, StreamFigures) for each in watched.events)


def test_a_reader_saw_the_run_until_its_end(watched: Watched) -> None:
    assert "rows" in watched.kinds
    assert watched.kinds[-1] == "over"


def test_the_terminal_shows_the_same_events(watched: Watched) -> None:
    count = len(watched.run.sabotages)
    assert f"scenarios, and {count} sabotages (profile quick, seed 7)\n" in watched.printed
    for each in watched.run.scenarios:
        assert f"  runs         {each.name} ({CLAIM})\n" in watched.printed
    for each in proven(watched):
        assert f"  proven       {each.name} ({CLAIM})\n" in watched.printed
    for caught in (each.sabotage.id for each in watched.run.sabotages if each.caught):
        assert f"  noticed      {caught}: " in watched.printed


def test_a_replay_ends_with_the_board_of_the_run(watched: Watched) -> None:
    board = Board()
    replay(watched.events, board, 1000.0)
    again = board.wait(-1, 0)
    assert (again.scenarios, again.sabotages, again.end) == (
        watched.view.scenarios,
        watched.view.sabotages,
        watched.view.end,
    )


def test_the_events_are_small_and_have_no_secret(watched: Watched) -> None:
    lines = [encode(each) for each in watched.events]
    assert max(map(len, lines)) < 4096
    assert sum(map(len, lines)) < 100_000
    for line in lines:
        assert not [word for word in ("PrivateKey", "Bearer", "mwa_", "mws_") if word in json.dumps(line.decode())]


_RUN = """
import io, sys
from pathlib import Path
from rich.console import Console
from harness.events.feed import Feed
from harness.gate import gate, plans
from harness.gate.plans import GatePlan
from harness.gate.runs import RunOptions
from reports.events.recording import Recorder
out = Path(sys.argv[1])
plans.SABOTAGES = ()
with Feed(Recorder(out).add) as feed:
    gate.run(GatePlan(RunOptions(claim="live-change", store="SQLite")), out, Console(file=io.StringIO()), feed)
"""


@pytest.mark.long
def test_a_killed_run_is_shown_up_to_its_end(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _RUN, str(tmp_path)]) as process:
        wait_until(lambda: any(b'"scenario-begun"' in file.read_bytes() for file in tmp_path.glob(".events-*")))
        process.send_signal(signal.SIGKILL)
    (file,) = tmp_path.glob(".events-*")
    board = Board()
    replay(recording.read(file), board, 1000.0)
    view = board.wait(-1, 0)
    assert (view.is_cut, view.end) == (True, None)
    assert "running" in {each.state for each in view.scenarios}
