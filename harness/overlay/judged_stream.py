"""Stream of numbered packets, judged packet by packet while the policy changes (`harness.judging.judgement`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

from harness.events.teller import Counts
from harness.judging.answer import Answer
from harness.judging.judgement import Judgement, Phase, delivered_although_denied, longest_transit_ns
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.canary import Canary
from harness.overlay.queues import Queues
from harness.wire.reordering import IN_ORDER, Way
from netlab import Host, NothingArrived, Received, UdpStream, wait_until

_DEADLINE = 5.0
_ENOUGH = 25
"""Packets that a phase needs for a verdict."""


class JudgedStream:
    """A UDP stream that policy changes allow and deny. Leaving ``with`` ends the stream and judges all of its phases.

    Args:
        sender: host that sends.
        receiver: host that receives.
        address: overlay address of the receiver.
        record: takes the figures.
        name: name in messages and in the transcript.
        interval: seconds between packets.
        fence: returns once everything that was sent before has met the hub.
        deadline_s: seconds to wait for packets.
        canary: stream beside it that tells what the machine loses; it has to end later. None excuses all packets that
            a full queue may have lost.
        queues: watch over the queues on its way; it has to end later.
        way: way between machines and hub.

    Raises (on leaving the block):
        Refuted: a packet was delivered although denied, or lost although allowed.
        Inconclusive: a phase has too few packets, or the receiver was too slow.
    """

    def __init__(
        self,
        sender: Host,
        receiver: Host,
        address: str,
        record: Record,
        name: str,
        interval: float,
        fence: Callable[[], None],
        deadline_s: float = _DEADLINE,
        canary: Canary | None = None,
        queues: Queues | None = None,
        way: Way = IN_ORDER,
    ) -> None:
        self.name = name
        self._canary = canary
        self._queues = queues
        self._fence = fence
        self._way = way
        self._deadline_s = deadline_s
        self._record = record
        self._stream = UdpStream(sender, receiver, address, 0, interval_s=interval)
        self._phases: list[Phase] = []
        self._denied_before, self._denied_from = 0, 0
        self._judgement: Judgement | None = None

    def __enter__(self) -> JudgedStream:
        self._stream.__enter__()
        self._teller = self._record.teller.stream(self.name, self._counts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._still_flows()
        finally:
            self._close_phase(self._stream.mark())
            self._stream.stop()
            self._way.settle()
            waits = None if self._canary is None else self._canary.waits()
            seen = None if self._queues is None else self._queues.log()
            self._judgement = judgement = self._record.streamed(
                self.name,
                self._phases,
                self._stream.sent(),
                self._stream.received(),
                waits,
                seen,
                self._way.held_until,
            )
            self._teller.ended(len(judgement.late), len(judgement.lost))
        if error is None:
            self._check(judgement)

    def received(self) -> Sequence[Received]:
        """Returns the packets that have arrived."""
        return self._stream.received()

    def flows(self, change: Answer | None = None) -> None:
        """Begins a phase in which every packet must arrive, and waits until enough have.

        Args:
            change: answer of the save that allows the stream, from which the phase counts; None for now.

        Raises:
            Refuted: no packet arrives.
            Inconclusive: too few packets arrive.
        """
        start = self._begin(change, allowed=True)
        try:
            waited = self._stream.wait_delivery(start, self._deadline_s)
        except NothingArrived as error:
            raise Refuted(f"{self.name} is allowed, and nothing arrives for {self._deadline_s:.0f} s") from error
        if change is not None:
            self._record.slowest("delivery after allow", waited)
        self._wait_for_enough("delivered", lambda: len(self._stream.delivered_sent_in(start, self._stream.mark())))

    def stops(self, change: Answer) -> None:
        """Begins a phase in which no packet may arrive, and waits until enough have met the hub.

        Args:
            change: answer of the save that denies the stream, from which the phase counts.

        Raises:
            Refuted: a packet of this phase has arrived by now; leaving the block judges again.
            Inconclusive: too few packets were sent.
        """
        start = self._begin(change, allowed=False)
        self._wait_for_enough("sent", lambda: len(self._stream.sent_in(start, self._stream.mark())))
        settled = self._stream.mark()
        self._fence()
        self._phases[-1] = replace(self._phases[-1], settled_ns=settled)
        # Of this phase alone: a look at all packets so far would take longer with each flip.
        self._check_denied(delivered_although_denied(self._phases[-1:], self._stream.received_since(start)))

    def stays_stopped(self) -> None:
        """Judges the phases of denial up to now; leaving the block judges again.

        Raises:
            Refuted: a packet was delivered although denied.
        """
        self._check_denied(delivered_although_denied(self._phases, self._stream.received()))

    def _still_flows(self) -> None:
        """Waits for one more delivery: losses at the very end show only beside a later packet that arrived."""
        if self._phases and self._phases[-1].allowed:
            try:
                self._stream.wait_delivery(self._stream.mark(), self._deadline_s)
            except NothingArrived as error:
                raise Refuted(f"{self.name} is allowed, and nothing arrives any more") from error

    def _begin(self, change: Answer | None, *, allowed: bool) -> int:
        start = self._stream.mark() if change is None else change.answered_ns
        self._close_phase(start if change is None else change.requested_ns)
        self._denied_before, self._denied_from = self._counts().denied, self._stream.sent_count
        self._phases.append(Phase(allowed, start))
        return start

    def _counts(self) -> Counts:
        """Returns figures for those who watch. Denials are rough until they are judged by the times of packets."""
        sent, denied = self._stream.sent_count, self._denied_before
        if self._judgement is not None:
            denied = self._judgement.denied
        elif self._phases and not self._phases[-1].allowed:
            denied += sent - self._denied_from
        return Counts(sent, self._stream.received_count, denied)

    def _close_phase(self, end_ns: int) -> None:
        if self._phases and self._phases[-1].end_ns is None:
            last = self._phases.pop()
            self._phases.append(replace(last, end_ns=end_ns))

    def _wait_for_enough(self, what: str, count: Callable[[], int]) -> None:
        if not wait_until(lambda: count() >= _ENOUGH, self._deadline_s):
            raise Inconclusive(f"{self.name}: the lab {what} fewer than {_ENOUGH} packets in {self._deadline_s:.0f} s")

    def _check(self, judgement: Judgement) -> None:
        self._check_denied(judgement.late, of=judgement.denied)
        if self._stream.receiver_drops:
            raise Inconclusive(f"{self.name}: the lab's own receiver was too slow for {self._stream.receiver_drops}")
        # A scenario may have several streams of one name, one after the other.
        sent, busy = f"{self.name} packets sent", f"{self.name} lost to a busy machine"
        self._record.measure(sent, self._record.total(sent, len(self._stream.sent())))
        longest = longest_transit_ns(self._phases, self._stream.received()) / 1e9
        self._record.slowest(f"{self.name} longest transit", longest)
        self._record.measure(busy, self._record.total(busy, len(judgement.overflowed)), "packets")
        if any(phase.allowed for phase in self._phases):
            self._record.none_of(
                f"{self.name} lost although allowed",
                judgement.lost,
                f"{self.name}: packets that are allowed were lost",
                of=judgement.allowed,
                excused=len(judgement.overflowed),
            )

    def _check_denied(self, late: Sequence[int], of: int | None = None) -> None:
        if all(phase.allowed for phase in self._phases):
            return
        delivered = f"{self.name} delivered although denied"
        chances = None if of is None else self._record.total(delivered, of)
        self._record.measure(delivered, len(late), "packets", limit=0, of=chances)
        if late:
            raise Refuted(f"{self.name}: {len(late)} packets sent after the answer that denies them were delivered")
