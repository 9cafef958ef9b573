"""Feed of a run: one order of events for all listeners, from the gate and from other processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from harness.events.feed import Feed
from reports.events.format import AnyEvent, Note, RunEnded, ScenarioBegun, decode, encode
from tests.waiting import DEADLINE

_WRITES = """
import os, sys
from harness.events.teller import Pipe, Teller
told = Teller(Pipe(int(sys.argv[1])), "live-change", sys.argv[2])
for _ in range(200):
    told.begun()
"""


class Listener:
    """Notes events and their lines."""

    def __init__(self) -> None:
        self.heard: list[tuple[AnyEvent, bytes]] = []

    def __call__(self, event: AnyEvent, line: bytes) -> None:
        self.heard.append((event, line))


def test_events_of_several_processes_come_whole_and_in_one_order() -> None:
    first, second = Listener(), Listener()
    with Feed(first, second) as feed:
        feed.tell(Note(word="begins", text="here"))
        running = [
            subprocess.Popen([sys.executable, "-c", _WRITES, str(feed.descriptor), name], pass_fds=[feed.descriptor])
            for name in ("test_a", "test_b")
        ]
        for each in running:
            assert each.wait(DEADLINE) == 0
        feed.tell(Note(word="still", text="here"))
    assert first.heard == second.heard
    told = [event for event, _ in first.heard]
    assert [event.scenario for event in told if isinstance(event, ScenarioBegun)].count("test_a") == 200
    assert [event.scenario for event in told if isinstance(event, ScenarioBegun)].count("test_b") == 200
    assert [event.at for event in told] == sorted(event.at for event in told)
    for event, line in first.heard:
        assert decode(line) == event


def test_everything_that_was_written_is_heard_before_the_end() -> None:
    listener = Listener()
    with Feed(listener) as feed:
        for _ in range(500):
            os.write(feed.descriptor, encode(Note(word="a", text="b")))
    assert len(listener.heard) == 500


def test_a_pipe_that_a_process_keeps_open_holds_nothing_up() -> None:
    with Feed() as feed:
        kept = os.dup(feed.descriptor)
    with pytest.raises(BrokenPipeError):
        os.write(kept, b"x\n")
    os.close(kept)


def test_lines_that_are_no_events_are_skipped() -> None:
    listener = Listener()
    with Feed(listener) as feed:
        os.write(feed.descriptor, b'{"event":"tea-served"}\n\xff\xfe\n{"event":"no')
        os.write(feed.descriptor, b'te"}\n' + encode(Note(word="a", text="b")))
    assert [type(event) for event, _ in listener.heard] == [Note]


def test_a_listener_that_hangs_delays_no_writer() -> None:
    goes_on = threading.Event()
    with Feed(lambda _, __: goes_on.wait(DEADLINE)) as feed:
        line, lost = encode(Note(word="a", text="x" * 200)), 0
        for _ in range(20_000):
            try:
                os.write(feed.descriptor, line)
            except BlockingIOError:
                lost += 1
        assert lost
        goes_on.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_that_fails_holds_nothing_up() -> None:
    def fail(_: AnyEvent, __: bytes) -> None:
        raise RuntimeError("a fault")

    with Feed(fail) as feed:
        for _ in range(20_000):
            try:
                os.write(feed.descriptor, encode(Note(word="a", text="x" * 200)))
            except (BlockingIOError, BrokenPipeError):
                break


def test_no_key_reaches_a_listener() -> None:
    listener = Listener()
    with Feed(listener) as feed:
        feed.tell(RunEnded(verdict="fail", seconds=1.0, problems=[f"the key {'0' * 42}A= was found"]))
    ((event, line),) = listener.heard
    assert b"0" * 42 not in line
    assert event == RunEnded(at=event.at, verdict="fail", seconds=1.0, problems=["the key [removed] was found"])
