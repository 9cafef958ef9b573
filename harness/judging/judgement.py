"""Judges the packets of a stream by the phases in which it was allowed or denied.

A change of the policy is judged by two rules:

* a packet sent after the answer of a save that denies it must never be delivered;
* a packet sent after the answer of a save that allows it must not be lost.

Packets that are sent between request and answer may go either way. The policy judges a packet where the hub meets it,
not where it was sent, so a packet that is under way at the next change may be judged by that change. Nothing is guessed
about packets under way. On a way that keeps their order, all packets before one that arrived in time have passed the
hub. Where the lab holds packets back, they have once a packet arrived that was sent after the last of those was sent on
that had come by then (`passed`).
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.judging.order import HeldUntil, in_order, last, passed
from harness.judging.queues import NEAR_NS, QueueLog, explained, stalled
from netlab import Received, Sent

P = TypeVar("P", Sent, Received)

_WAY_NS = 10_000_000
"""Ten times as long as a packet takes through a healthy hub."""
_SHARE = 4
_NEVER_NS = sys.maxsize


@dataclass(frozen=True)
class Phase:
    """A time in which a stream is allowed or denied.

    Attributes:
        allowed: packets of this phase must arrive; otherwise none may.
        start_ns: time of the answer of the change that begins the phase, on the monotonic clock.
        end_ns: time of the request of the change that ends it; None while it lasts.
        settled_ns: for a denial: packets that were sent before this time met the hub within the phase.
    """

    allowed: bool
    start_ns: int
    end_ns: int | None = None
    settled_ns: int | None = None

    def covers(self, start_ns: int, end_ns: int) -> bool:
        """Returns True if all of [start, end] lies within the phase."""
        return self.start_ns <= start_ns and (self.end_ns is None or end_ns <= self.end_ns)


@dataclass(frozen=True)
class Wait:
    """A packet that waited.

    Attributes:
        at_ns: time at which it was sent, on the monotonic clock.
        ns: how long it was under way; for a lost one, until a later one arrived.
    """

    at_ns: int
    ns: int


@dataclass(frozen=True)
class Judgement:
    """Numbers of packets that violate their phase.

    Attributes:
        late: packets that were sent while denied and delivered.
        lost: packets that were sent while allowed and are missing without an excuse.
        overflowed: packets that were sent while allowed and lost to a full queue of a busy machine.
        denied: number of packets that had a chance to be late.
        allowed: number of packets that had a chance to be lost.
    """

    late: Sequence[int] = ()
    lost: Sequence[int] = ()
    overflowed: Sequence[int] = ()
    denied: int = 0
    allowed: int = 0

    @property
    def wrong(self) -> frozenset[int]:
        """Numbers of packets that refute a claim."""
        return frozenset((*self.late, *self.lost))


def judge(
    phases: Sequence[Phase],
    sent: Sequence[Sent],
    received: Sequence[Received],
    canary: Sequence[Wait] | None = None,
    queues: QueueLog | None = None,
    held_until: HeldUntil = in_order,
) -> Judgement:
    """Judges every packet of a stream by the phase in which it was sent.

    Args:
        phases: phases in the order of their times.
        canary: waits of a canary beside the stream, by their times; None without a canary.
        queues: what was seen of the queues on its way; None if they were not watched.
        held_until: what the lab held back on its way.
    """
    due, arrived = _due(phases, sent, received, held_until), {packet.seq for packet in received}
    lost, overflowed = split_losses([seq for seq in due if seq not in arrived], sent, received)
    if canary is not None:
        lost, overflowed = confirm_losses(lost, overflowed, sent, received, canary)
    if queues is not None:
        lost, overflowed = explained(lost, overflowed, sent, received, queues, held_until)
    late = delivered_although_denied(phases, received)
    return Judgement(late, lost, overflowed, count_denied(phases, sent), len(due))


def longest_transit_ns(phases: Sequence[Phase], received: Sequence[Received]) -> int:
    """Returns the longest time from sending to arrival while nothing changed; 0 if no packet counts.

    Args:
        phases: phases in the order of their times.
    """
    transits = (
        packet.received_ns - packet.sent_ns
        for packet, phase in _with_phase(phases, received)
        if phase.allowed and phase.covers(packet.sent_ns, packet.received_ns)
    )
    return max(transits, default=0)


def delivered_although_denied(phases: Sequence[Phase], received: Sequence[Received]) -> list[int]:
    """Returns the numbers of packets that were sent while denied and arrived.

    Packets that arrived after the denial ended count if they had met the hub before.
    """
    return [
        packet.seq
        for packet, phase in _with_phase(phases, received)
        if not phase.allowed
        and (
            phase.covers(packet.sent_ns, packet.received_ns)
            or (phase.settled_ns is not None and packet.sent_ns < phase.settled_ns)
        )
    ]


def count_denied(phases: Sequence[Phase], sent: Sequence[Sent]) -> int:
    """Returns the number of packets that `delivered_although_denied` would name if they were delivered.

    Packets that were under way at the end of a denial are left out, since they may have met the hub after it.
    """
    return sum(
        not phase.allowed
        and not packet.errno
        and (
            phase.end_ns is None
            or packet.sent_ns + _WAY_NS <= phase.end_ns
            or (phase.settled_ns is not None and packet.sent_ns < phase.settled_ns)
        )
        for packet, phase in _with_phase(phases, sent)
    )


def _due(
    phases: Sequence[Phase], sent: Sequence[Sent], received: Sequence[Received], held_until: HeldUntil
) -> list[int]:
    """Returns the numbers of packets that were sent while allowed and met the hub in the same phase."""
    in_time: defaultdict[int, list[Received]] = defaultdict(list)
    for packet, phase in _with_phase(phases, received):
        if phase.covers(packet.sent_ns, packet.received_ns):
            in_time[phase.start_ns].append(packet)
    last_through = {start: last(passed(packets, held_until)) for start, packets in in_time.items()}
    return [
        packet.seq
        for packet, phase in _with_phase(phases, sent)
        if phase.allowed and not packet.errno and packet.seq < last_through.get(phase.start_ns, 0)
    ]


def split_losses(
    lost: Sequence[int], sent: Sequence[Sent], received: Sequence[Received]
) -> tuple[list[int], list[int]]:
    """Splits numbers of lost packets into those without an explanation and those that were lost to a full queue.

    A queue was full when a packet was lost if packets around it waited for a tenth of a second or more, because the
    machine had no processor for the program that empties the queue.

    Args:
        received: packets that arrived, of this stream and of others that fill the same queues.
    """
    waits = stalled(received)
    overflowed = {seq for seq in lost if any(each.sent_ns <= sent[seq].sent_ns <= each.received_ns for each in waits)}
    return [seq for seq in lost if seq not in overflowed], [seq for seq in lost if seq in overflowed]


def confirm_losses(
    lost: Sequence[int],
    overflowed: Sequence[int],
    sent: Sequence[Sent],
    received: Sequence[Received],
    canary: Sequence[Wait],
) -> tuple[list[int], list[int]]:
    """Leaves as lost to a busy machine only what a canary confirms, whose own packets waited about then.

    The canary's programs don't wait in the same instants as those of the stream. So a wait counts that is a quarter as
    long as the longest of the stream's packets around the loss, and as near as that, or a second.

    Args:
        lost, overflowed: numbers of packets, as `split_losses` returns them.
        received: packets that arrived.
        canary: waits of the canary, by their times.

    Returns:
        The two lists again; what the canary does not confirm is lost.
    """
    times = [each.at_ns for each in canary]
    waits = stalled(received)
    confirmed = set()
    for seq in overflowed:
        at = sent[seq].sent_ns
        longest = max(each.received_ns - each.sent_ns for each in waits if each.sent_ns <= at <= each.received_ns)
        reach = max(longest, NEAR_NS)
        near = canary[bisect_left(times, at - reach) : bisect_right(times, at + reach)]
        if any(_SHARE * each.ns >= longest for each in near):
            confirmed.add(seq)
    return sorted({*lost, *overflowed} - confirmed), sorted(confirmed)


def count_sent_while(phases: Sequence[Phase], packets: Sequence[P], *, allowed: bool) -> int:
    """Returns how many packets were sent while the stream was allowed, or denied."""
    return sum(phase.allowed is allowed for _, phase in _with_phase(phases, packets))


def _with_phase(phases: Sequence[Phase], packets: Sequence[P]) -> Iterator[tuple[P, Phase]]:
    """Yields each packet with the phase in which it was sent, without packets that were sent during a change."""
    starts = [phase.start_ns for phase in phases]
    # Packets come nearly in the order of their times, so most are of the same phase as the one before.
    begin_ns, next_ns, end_ns = 0, 0, -1
    for packet in packets:
        at_ns = packet.sent_ns
        if not begin_ns <= at_ns < next_ns:
            at = bisect_right(starts, at_ns) - 1
            if at < 0:
                continue
            phase, begin_ns = phases[at], starts[at]
            next_ns = starts[at + 1] if at + 1 < len(starts) else _NEVER_NS
            end_ns = _NEVER_NS if phase.end_ns is None else phase.end_ns
        if at_ns <= end_ns:
            yield packet, phase
