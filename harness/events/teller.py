"""Events of one scenario, written to the gate's pipe.

The pipe never blocks. An event for which it has no room is lost, and the next one that finds room says how many were.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.events.secrets import without_secrets_in
from reports.events.board import MOST_STREAMS
from reports.events.format import (
    LONGEST_LINE,
    Event,
    EventsLost,
    SaveAnswered,
    ScenarioBegun,
    ScenarioEnded,
    ScenarioPlanned,
    StreamBegun,
    StreamEnded,
    StreamFigures,
    clipped,
    encode,
)

_EVERY_S = 1.0
"""Time between two figures of a stream."""

_SAVE_EVERY_S = 0.2
"""Least time between two events about saves."""


@dataclass(frozen=True)
class Counts:
    """Packets of a stream so far.

    Attributes:
        sent: packets sent.
        delivered: packets that have arrived.
        denied: packets sent while the policy denied the stream.
    """

    sent: int
    delivered: int
    denied: int = 0


class Pipe:
    """Writing end of the gate's pipe.

    Args:
        descriptor: the pipe, which has to be non-blocking; None tells nobody.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._lost = 0

    @property
    def is_open(self) -> bool:
        """True if somebody may listen."""
        return self._descriptor is not None

    def tell(self, event: Event) -> None:
        """Writes an event, or loses it."""
        if self._descriptor is None:
            return
        if self._lost and self._write(self._descriptor, EventsLost(count=self._lost)):
            self._lost = 0
        if not self._write(self._descriptor, event):
            self._lost += 1

    @staticmethod
    def _write(descriptor: int, event: Event) -> bool:
        line = without_secrets_in(encode(event))
        if len(line) > LONGEST_LINE:
            return False
        try:
            return os.write(descriptor, line) == len(line)
        except OSError:
            return False


class Teller:
    """Tells the events of one scenario.

    Args:
        pipe: the gate's pipe.
        claim: id of the claim that the scenario tests.
        scenario: name of the scenario.
        title: claim of the scenario in words.
    """

    def __init__(self, pipe: Pipe | None = None, claim: str = "", scenario: str = "", title: str = "") -> None:
        self._pipe = Pipe() if pipe is None else pipe
        self._claim, self._scenario, self._title = claim, clipped(scenario), clipped(title)
        self._lock = threading.Lock()
        self._saves = 0
        self._slowest_ms = 0.0
        self._told_saves_at = 0.0
        self._pending: SaveAnswered | None = None
        self._streams: list[StreamTeller] = []
        self._idle = threading.Event()

    def planned(self) -> None:
        """Tells that the scenario will run."""
        self._tell(ScenarioPlanned, title=self._title)

    def begun(self) -> None:
        """Tells that the scenario begins."""
        self._tell(ScenarioBegun, title=self._title)

    def ended(self, verdict: str, seconds: float, why: str | None) -> None:
        """Tells the verdict.

        Args:
            verdict: the verdict.
            seconds: seconds that the scenario took.
            why: reason why it is not proven.
        """
        with self._lock:
            self._idle.set()
            self._tell_save(self._pending)
        self._tell(ScenarioEnded, verdict=verdict, seconds=seconds, why=clipped(why or ""))

    def saved(self, policy: str, seconds: float) -> None:
        """Tells of a save of the policy, if the event before is some time ago.

        Args:
            policy: the policy in words.
            seconds: time from request to answer.
        """
        if not self._pipe.is_open:
            return
        with self._lock:
            ms = round(seconds * 1e3, 3)
            self._saves, self._slowest_ms = self._saves + 1, max(self._slowest_ms, ms)
            self._pending = SaveAnswered(
                claim=self._claim,
                scenario=self._scenario,
                policy=clipped(policy),
                ms=ms,
                saves=self._saves,
                slowest_ms=self._slowest_ms,
            )
            if time.monotonic() - self._told_saves_at >= _SAVE_EVERY_S:
                self._tell_save(self._pending)

    def _tell_save(self, event: SaveAnswered | None) -> None:
        if event is not None:
            self._told_saves_at, self._pending = time.monotonic(), None
            self._pipe.tell(event)

    def stream(self, name: str, counts: Callable[[], Counts]) -> StreamTeller:
        """Tells that a stream begins, and its figures once a second from then on.

        Args:
            name: name of the stream.
            counts: returns its figures at once, from any thread.
        """
        made = StreamTeller(self, clipped(name), counts)
        with self._lock:
            if not self._pipe.is_open or len(self._streams) >= MOST_STREAMS:
                return made
            self._streams.append(made)
            if len(self._streams) == 1:
                self._idle = threading.Event()
                threading.Thread(target=self._tell_figures, args=(self._idle,), name="figures", daemon=True).start()
        self._tell(StreamBegun, stream=made.name)
        return made

    def stream_ended(self, stream: StreamTeller, late: int, lost: int) -> None:
        """Tells that a stream was judged.

        Args:
            stream: the stream.
            late: packets that were delivered although denied.
            lost: packets that were lost although allowed.
        """
        with self._lock:
            if stream not in self._streams:
                return
            self._streams.remove(stream)
            if not self._streams:
                self._idle.set()
        self._tell(StreamEnded, stream=stream.name, **stream.figures(), late=late, lost=lost)

    def _tell_figures(self, idle: threading.Event) -> None:
        while not idle.wait(_EVERY_S):
            for each in tuple(self._streams):
                self._tell(StreamFigures, stream=each.name, **each.figures())

    def _tell(self, kind: Callable[..., Event], **fields: object) -> None:
        if self._pipe.is_open:
            of = {"claim": self._claim, "scenario": self._scenario}
            self._pipe.tell(kind(**of, **fields))


class StreamTeller:
    """Tells the end of a stream."""

    def __init__(self, scenario: Teller, name: str, counts: Callable[[], Counts]) -> None:
        self.name = name
        self._scenario = scenario
        self._counts = counts

    def figures(self) -> dict[str, int]:
        """Returns the stream's figures by the names that events give them."""
        counts = self._counts()
        return {"sent": counts.sent, "delivered": counts.delivered, "denied": counts.denied}

    def ended(self, late: int = 0, lost: int = 0) -> None:
        """Tells that the stream was judged; see `Teller.stream_ended`."""
        self._scenario.stream_ended(self, late, lost)
