"""Evidence about the queues that packets wait in, and the losses that it explains.

A userspace WireGuard has one socket, whose queue holds some 277 small packets. It overflows when the program gets no
processor for a while, or when a sender that stood still goes on and sends all at once what it held back. The kernel
counts what it drops there. So a loss in that queue need not be guessed from packets that waited.

Each processor has a queue too, of all packets on virtual links (netif_rx in the kernel's net/core/dev.c). It holds a
thousand, and packets of another network namespace may fill it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

from harness.judging.order import HeldUntil, in_order
from netlab import Received, Sent

NEAR_NS = 1_000_000_000
"""Longest time between a loss and a sign of a busy machine that explains it."""
_STALL_NS = 100_000_000
"""A full queue of WireGuard has two or three hundred packets, and delays a stream of one per ms by more than this."""
_LONGEST_NS = 1_000_000_000


@dataclass(frozen=True)
class Span:
    """A time between two looks at the queues, on the monotonic clock."""

    start_ns: int
    end_ns: int

    def meets(self, start_ns: int, end_ns: int) -> bool:
        """Returns True if the two times have an instant in common."""
        return self.start_ns <= end_ns and start_ns <= self.end_ns


@dataclass(frozen=True)
class Overflow:
    """Packets that full queues dropped.

    Attributes:
        span: time in which they were dropped.
        packets: number of packets, of all streams together.
    """

    span: Span
    packets: int


@dataclass(frozen=True)
class QueueLog:
    """Findings of a watch over the queues.

    Attributes:
        overflows: what full queues of WireGuard dropped, by time.
        sleeps: times in which the hub's queue was well filled, and no thread of its program wanted to run.
        late_looks: times between two looks that lasted so much longer than planned that the machine was busy.
        backlogs: what full queues of processors dropped, by time.
    """

    overflows: Sequence[Overflow] = ()
    sleeps: Sequence[Span] = ()
    late_looks: Sequence[Span] = ()
    backlogs: Sequence[Overflow] = ()


def stalled(received: Sequence[Received]) -> list[Received]:
    """Returns the packets that were under way for as long as in a full queue."""
    return [each for each in received if each.received_ns - each.sent_ns > _STALL_NS]


def dropped_by_queues(
    lost: Collection[int],
    sent: Sequence[Sent],
    received: Sequence[Received],
    log: QueueLog,
    held_until: HeldUntil = in_order,
) -> frozenset[int]:
    """Returns the lost packets that the machine lost in a full queue, as the kernel counted.

    There are at most as many as were dropped between the sending of each and the next arrival of a later one. That time
    is a second at most, and the machine was busy about then: looks were late, or packets of the stream waited.
    """
    busy = [*log.late_looks, *(Span(each.sent_ns, each.received_ns) for each in stalled(received))]
    overflows = (*log.overflows, *log.backlogs)
    left = [each.packets for each in overflows]
    found = set()
    for seq, start, end in _gaps(lost, sent, received, held_until):
        if end - start > _LONGEST_NS or not any(each.meets(start - NEAR_NS, end + NEAR_NS) for each in busy):
            continue
        for number, overflow in enumerate(overflows):
            if left[number] and overflow.span.meets(start, end):
                left[number] -= 1
                found.add(seq)
                break
    return frozenset(found)


def lost_in_sleep(
    lost: Collection[int],
    sent: Sequence[Sent],
    received: Sequence[Received],
    log: QueueLog,
    held_until: HeldUntil = in_order,
) -> frozenset[int]:
    """Returns the lost packets for which nobody but the hub can answer, since its WireGuard slept on a filled queue."""
    gaps = _gaps(lost, sent, received, held_until)
    return frozenset(seq for seq, start, end in gaps if any(each.meets(start, end) for each in log.sleeps))


def explained(
    lost: Collection[int],
    overflowed: Collection[int],
    sent: Sequence[Sent],
    received: Sequence[Received],
    log: QueueLog,
    held_until: HeldUntil = in_order,
) -> tuple[list[int], list[int]]:
    """Splits the numbers of lost packets once more, by what was seen of the queues.

    Args:
        lost, overflowed: numbers of packets, as `judgement.split_losses` returns them.
        received: packets that arrived, of this stream and of others that fill the same queues.

    Returns:
        The packets without an explanation, and those that were lost to a full queue.
    """
    missing = {*lost, *overflowed}
    excused = {*overflowed} | dropped_by_queues(missing, sent, received, log, held_until)
    excused -= lost_in_sleep(missing, sent, received, log, held_until)
    return sorted(missing - excused), sorted(excused)


def _gaps(
    lost: Collection[int], sent: Sequence[Sent], received: Sequence[Received], held_until: HeldUntil
) -> list[tuple[int, int, int]]:
    """Returns each lost packet with the time of its sending and that of the next arrival of a later one.

    If packets were held back then, it may have been lost when the last of them was sent on.
    """
    order = sorted(received, key=lambda each: each.seq)
    numbers = [each.seq for each in order]
    next_ns = list(accumulate((each.received_ns for each in reversed(order)), min))[::-1]
    gaps = []
    for seq in sorted(lost):
        later = bisect_right(numbers, seq)
        if later < len(numbers):
            arrival = next_ns[later]
            gaps.append((seq, sent[seq].sent_ns, max(arrival, held_until(arrival))))
    return gaps
