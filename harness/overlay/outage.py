"""Stream of numbered packets beside damage to the hub: length of outages, and losses while nothing is broken."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from harness.events.teller import Counts
from harness.judging.judgement import split_losses
from harness.judging.order import HeldUntil, in_order, last, passed
from harness.judging.queues import explained
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.judged_stream import JudgedStream
from harness.overlay.machine import Machine
from harness.overlay.queues import Queues
from netlab import Received, Sent, UdpStream, wait_until

ENOUGH = 25
"""Packets in a row that show that a stream is whole again."""

_POLL = 0.005
_WAY_NS = 10_000_000
"""Ten times as long as a packet takes through a healthy hub."""


def unbroken_since(received: Sequence[Received], held_until: HeldUntil = in_order) -> int | None:
    """Returns the time at which the first packet was sent from which on all have arrived; None while too few have.

    One that is missing when a later one is there counts as lost, unless it may still be held back on one of its two
    ways.

    Args:
        received: packets that count.
        held_until: what the lab held back on the stream's ways.
    """
    arrived = {packet.seq: packet.sent_ns for packet in received}
    first = end = last(passed(passed(received, held_until), held_until))
    while first - 1 in arrived:
        first -= 1
    return arrived[first] if end - first + 1 >= ENOUGH else None


def outage(sent: Sequence[Sent], received: Sequence[Received], start_ns: int, end_ns: int) -> float:
    """Returns the seconds between the first packet that was lost and the first that was sent after the last lost one.

    Args:
        start_ns, end_ns: time in which the packets were sent.
    """
    arrived = {packet.seq for packet in received}
    lost = [each for each in sent if start_ns <= each.sent_ns < end_ns and each.seq not in arrived]
    if not lost:
        return 0.0
    after = sent[lost[-1].seq + 1].sent_ns if lost[-1].seq + 1 < len(sent) else end_ns
    return (after - lost[0].sent_ns) / 1e9


def due_while_healthy(
    sent: Sequence[Sent],
    received: Sequence[Received],
    start_ns: int,
    end_ns: int,
    held_until: HeldUntil = in_order,
) -> list[int]:
    """Returns the numbers of packets that had to arrive in a time in which nothing was broken.

    Args:
        start_ns, end_ns: time in which the packets were sent.
        held_until: what the lab held back on their way to the hub.
    """
    # Packets under way at the next damage may be lost to it.
    in_time = [each for each in received if start_ns <= each.sent_ns and each.received_ns <= end_ns]
    through = last(passed(in_time, held_until))
    return [each.seq for each in sent if start_ns <= each.sent_ns and each.seq < through]


class HealthStream:
    """A stream from one machine to another while the hub is damaged and heals. Leaving ``with`` ends and judges it.

    Args:
        source: machine that sends.
        destination: machine that receives.
        record: takes the figures.
        interval_s: seconds between packets.
        beside: stream from another machine to the same one. It fills the same queues, so its packets that waited
            explain losses, too. It ends first.
        queues: watch over the queues on its way; it has to end later.

    Raises (on leaving the block):
        Refuted: a packet was lost after the stream was whole again and before the next damage.
        Inconclusive: the receiver was too slow.
    """

    def __init__(
        self,
        source: Machine,
        destination: Machine,
        record: Record,
        interval_s: float = 0.001,
        beside: JudgedStream | None = None,
        queues: Queues | None = None,
    ) -> None:
        self.name = f"{source.name}→{destination.name}"
        self._record = record
        self._beside = beside
        self._queues = queues
        self._way = source.way
        self._stream = UdpStream(source.host, destination.host, destination.address, 0, interval_s=interval_s)
        self._healthy: list[tuple[int, int]] = []
        self._whole_from: int | None = None

    def __enter__(self) -> HealthStream:
        self._stream.__enter__()
        self._teller = self._record.teller.stream(
            self.name, lambda: Counts(self._stream.sent_count, self._stream.received_count)
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.expect_loss()
        self._stream.stop()
        self._way.settle()
        self._record.streamed(self.name, (), self._stream.sent(), self._stream.received())
        try:
            if error is None:
                self._judge()
        finally:
            self._teller.ended()

    def expect_loss(self) -> int:
        """Allows losses from now on, until `wait_until_whole`.

        Returns:
            The time now, in ns of the stream's clock.
        """
        now = self._stream.mark()
        if self._whole_from is not None:
            self._healthy.append((self._whole_from, now))
        self._whole_from = None
        return now

    def count_delivered(self, deadline_s: float) -> int:
        """Waits until enough packets were sent from now on and had time to arrive.

        Returns:
            Number of those packets that arrived.

        Raises:
            Inconclusive: too few packets were sent in ``deadline_s`` seconds.
        """
        stream, since = self._stream, self._stream.mark()
        if not wait_until(lambda: len(stream.sent_in(since, stream.mark() - _WAY_NS)) >= ENOUGH, deadline_s):
            raise Inconclusive(f"{self.name}: the lab sent fewer than {ENOUGH} packets in {deadline_s:.0f} s")
        self._way.settle()
        return len(self._stream.delivered_sent_in(since, self._stream.mark()))

    def wait_until_whole(self, deadline_s: float) -> int:
        """Waits until all packets arrive again.

        Returns:
            The time, in ns of the stream's clock, at which the first packet was sent from which on all arrive.

        Raises:
            Refuted: packets don't arrive in ``deadline_s`` seconds.
        """
        since, start = self._stream.mark(), time.monotonic()
        while (whole := unbroken_since(self._stream.received_since(since), self._way.held_until)) is None:
            if time.monotonic() - start > deadline_s:
                raise Refuted(f"{self.name} is allowed, and its packets don't arrive for {deadline_s:.0f} s")
            time.sleep(_POLL)
        self._whole_from = whole
        return whole

    def outage(self, start_ns: int, end_ns: int) -> float:
        """Returns the seconds for which packets were lost in a time; 0 if none was."""
        return outage(self._stream.sent(), self._stream.received(), start_ns, end_ns)

    def _judge(self) -> None:
        if self._stream.receiver_drops:
            raise Inconclusive(f"{self.name}: the lab's own receiver was too slow for {self._stream.receiver_drops}")
        self._record.measure(f"{self.name} packets sent", len(self._stream.sent()))
        sent, received, held_until = self._stream.sent(), self._stream.received(), self._way.held_until
        times, arrived = self._healthy, {packet.seq for packet in received}
        due = [seq for start, end in times for seq in due_while_healthy(sent, received, start, end, held_until)]
        around = [*received, *(self._beside.received() if self._beside else ())]
        lost, overflowed = split_losses([seq for seq in due if seq not in arrived], sent, around)
        if self._queues is not None:
            lost, overflowed = explained(lost, overflowed, sent, received, self._queues.log(), held_until)
        self._record.measure(f"{self.name} lost to a busy machine", len(overflowed), "packets")
        self._teller.ended(lost=len(lost))
        self._record.none_of(
            f"{self.name} lost while nothing was broken",
            lost,
            f"{self.name}: packets were lost again",
            of=len(due),
            excused=len(overflowed),
        )
