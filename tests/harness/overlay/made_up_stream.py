"""A stream of invented packets, and the real code that judges it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.overlay.judged_stream import JudgedStream
from netlab import NothingArrived, Received, Sent, UdpStream

INTERVAL = 2_000_000
LOOK = 100_000_000
"""ns that pass with each reading of the clock: time for 50 packets."""

SYSTEM_CALL = 10_000
JOURNEY = 500_000


class MadeUpStream(UdpStream):
    """A stream of a packet every 2 ms on a clock of its own. Each reading moves the clock on.

    Attributes:
        now: time in ns.
        passes: packets that are sent from now on arrive.
        sends: packets are sent from now on.
        stopped: the stream has ended.
    """

    receiver_drops = 0

    def __init__(self) -> None:
        self.now = 0
        self.passes = self.sends = True
        self.stopped = False
        self._sent: list[Sent] = []
        self._received: dict[int, Received] = {}
        self._arrival = threading.Condition()
        self.mark = self._look  # type: ignore[method-assign]

    def __enter__(self) -> MadeUpStream:
        return self

    def stop(self) -> None:
        self.stopped = True

    def wait_delivery(self, after_ns: int, timeout_s: float) -> float:
        self._look()
        arrivals = [packet.received_ns for packet in self.received() if packet.sent_ns > after_ns]
        if not arrivals:
            raise NothingArrived("packet", timeout_s)
        return (min(arrivals) - after_ns) / 1e9

    def _look(self) -> int:
        self.wait(LOOK)
        return self.now

    def wait(self, duration: int) -> None:
        """Moves the clock on and sends the packets of that time, except one that is due at its end."""
        while len(self._sent) * INTERVAL < self.now + duration:
            self._send_at(len(self._sent) * INTERVAL)
        self.now += duration

    def _send_at(self, at: int) -> None:
        seq = len(self._sent)
        self._sent.append(Sent(seq, at, at + SYSTEM_CALL, 0 if self.sends else 101))
        if self.passes and self.sends:
            self.deliver(seq)

    def change(self, *, passes: bool, duration: int = 5 * INTERVAL, at: float = 0.5) -> Answer:
        """Returns the answer of a save that is enforced at a point between request and answer.

        Args:
            duration: ns from request to answer.
            at: point of enforcement, from 0 (request) to 1 (answer).
        """
        requested = self.now
        self.wait(round(duration * at))
        self.passes = passes
        self.wait(requested + duration - self.now)
        return Answer(200, {}, requested, self.now)

    def deliver(self, seq: int, journey: int = JOURNEY) -> None:
        """Makes a packet arrive."""
        sent = self._sent[seq]
        self._received[seq] = Received(seq, sent.sent_ns, sent.sent_ns + journey)

    def lose(self, seq: int) -> None:
        """Makes a packet never arrive."""
        self._received.pop(seq, None)

    def refuse(self, seq: int) -> None:
        """Makes the sender's kernel refuse a packet."""
        self._sent[seq] = Sent(seq, self._sent[seq].sent_ns, self._sent[seq].done_ns, 101)
        self.lose(seq)

    def sent_after(self, moment: int, count: int = 1) -> int:
        """Returns the number of the first packet after a moment, or of the `count`-th."""
        return next(packet.seq for packet in self._sent if packet.sent_ns > moment) + count - 1


@dataclass
class Stage:
    """A judged stream over invented packets."""

    stream: MadeUpStream = field(default_factory=MadeUpStream)
    record: Record = field(default_factory=Record)
    deadline_s: float = 5.0

    def flow(self) -> JudgedStream:
        nobody = cast(Any, None)
        name = "mumbai→pune"
        return JudgedStream(nobody, nobody, "10.100.0.3", self.record, name, 0.002, self.fence, self.deadline_s)

    def fence(self) -> None:
        """Takes as long as a ping to the hub and back."""
        self.stream.wait(2 * JOURNEY)

    @contextmanager
    def ends(self, kind: type[Exception], words: str) -> Iterator[JudgedStream]:
        """Runs a stream that has to end with this error."""
        with pytest.raises(kind, match=words), self.flow() as running:
            yield running
