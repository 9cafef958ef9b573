"""Events of a scenario: told at their time, without secrets, and lost rather than waited for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness.events.teller import Counts, Pipe, Teller
from reports.events.board import MOST_STREAMS
from reports.events.format import (
    AnyEvent,
    EventsLost,
    SaveAnswered,
    ScenarioBegun,
    ScenarioEnded,
    StreamBegun,
    StreamEnded,
    StreamFigures,
    decode,
)
from tests.waiting import DEADLINE, wait_until


@dataclass
class Heard:
    """Both ends of a pipe that does not block."""

    reading: int
    pipe: Pipe

    def events(self) -> list[AnyEvent | None]:
        """Returns what was written since the last call."""
        content = b""
        try:
            while chunk := os.read(self.reading, 1 << 20):
                content += chunk
        except BlockingIOError:
            pass
        return [decode(line) for line in content.splitlines()]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Provides a pipe."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    yield Heard(reading, Pipe(writing))
    for end in (reading, writing):
        os.close(end)


def teller(heard: Heard) -> Teller:
    return Teller(heard.pipe, "live-change", "test_x", "It works.")


def test_a_scenario_tells_its_begin_and_verdict(heard: Heard) -> None:
    told = teller(heard)
    told.begun()
    told.ended("refuted", 1.5, "3 packets\nlost")
    assert heard.events() == [
        ScenarioBegun(claim="live-change", scenario="test_x", title="It works."),
        ScenarioEnded(claim="live-change", scenario="test_x", verdict="refuted", seconds=1.5, why="3 packets lost"),
    ]


def test_a_stream_tells_its_figures_while_it_runs(heard: Heard) -> None:
    told, counts = teller(heard), [Counts(1, 0, 0)]
    stream = told.stream("mumbai→pune", lambda: counts[-1])
    found = heard.events()
    counts.append(Counts(500, 400, 90))

    def has_figures() -> bool:
        found.extend(heard.events())
        return any(isinstance(each, StreamFigures) for each in found)

    wait_until(has_figures)
    counts.append(Counts(600, 500, 90))
    stream.ended(late=2, lost=1)
    # A second end, as of a stream that is judged while an error is under way, says nothing.
    stream.ended()
    found += heard.events()
    of: dict[str, Any] = {"claim": "live-change", "scenario": "test_x", "stream": "mumbai→pune"}
    assert found[0] == StreamBegun(**of)
    assert found[1] == StreamFigures(**of, sent=500, delivered=400, denied=90)
    assert found[-1] == StreamEnded(**of, sent=600, delivered=500, denied=90, late=2, lost=1)
    assert sum(isinstance(each, StreamEnded) for each in found) == 1
    wait_until(lambda: not any(each.name == "figures" for each in threading.enumerate()))


def test_a_scenario_that_ends_early_leaves_no_thread(heard: Heard) -> None:
    told, before = teller(heard), set(threading.enumerate())
    told.stream("mumbai→pune", lambda: Counts(0, 0))
    (thread,) = set(threading.enumerate()) - before
    told.ended("inconclusive", 1.0, None)
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_streams_are_bounded(heard: Heard) -> None:
    told = teller(heard)
    streams = [told.stream(f"stream {number}", lambda: Counts(0, 0)) for number in range(MOST_STREAMS + 3)]
    for each in streams:
        each.ended()
    found = heard.events()
    assert sum(isinstance(each, StreamBegun) for each in found) == MOST_STREAMS
    assert sum(isinstance(each, StreamEnded) for each in found) == MOST_STREAMS


def test_of_many_saves_few_are_told_and_the_last_is_among_them(heard: Heard) -> None:
    told = teller(heard)
    for number in range(1000):
        told.saved(f"policy {number}", 0.002 if number == 500 else 0.001)
    told.ended("proven", 1.0, None)
    saves = [each for each in heard.events() if isinstance(each, SaveAnswered)]
    assert len(saves) < 500
    assert (saves[0].policy, saves[0].saves) == ("policy 0", 1)
    assert (saves[-1].policy, saves[-1].saves, saves[-1].slowest_ms) == ("policy 999", 1000, 2.0)


def test_a_full_pipe_loses_events_and_delays_nothing(heard: Heard) -> None:
    told = teller(heard)
    for _ in range(10_000):
        told.begun()
    kept = heard.events()
    assert 0 < len(kept) < 10_000
    told.begun()
    lost, begun = heard.events()
    assert lost == EventsLost(count=10_000 - len(kept))
    assert isinstance(begun, ScenarioBegun)
    told.begun()
    assert len(heard.events()) == 1


def test_a_reader_that_is_gone_delays_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    Teller(Pipe(writing), "live-change", "test_x").begun()
    os.close(writing)
    Teller(Pipe(writing), "live-change", "test_x").begun()


def test_no_event_has_a_key_or_a_token(heard: Heard) -> None:
    key, token = "0" * 42 + "A=", "mwa_" + "x" * 24
    told = Teller(heard.pipe, "live-change", "test_x", f"title {key}")
    told.begun()
    told.saved(f"allow {token}", 0.001)
    told.stream(f"stream {key}", lambda: Counts(0, 0)).ended()
    told.ended("refuted", 1.0, f"{key} and {token}")
    found = heard.events()
    assert len(found) == 5
    assert "0" * 42 not in str(found)
    assert "xxx" not in str(found)
    assert "[removed]" in str(found[0])


def test_without_a_pipe_nothing_is_told_and_no_thread_begins() -> None:
    told = Teller()
    before = set(threading.enumerate())
    told.begun()
    told.saved("default deny", 0.1)
    with_stream = told.stream("mumbai→pune", lambda: Counts(0, 0))
    assert set(threading.enumerate()) <= before
    with_stream.ended()
    told.ended("proven", 1.0, None)
