"""What became of a stream's packets, phase by phase. Pure: from what was sent and what arrived to a verdict's facts.

The two words that a policy change is judged by:

* a packet sent after the answer of a save that denies it must never be delivered;
* a packet sent after the answer of a save that allows it must not be lost.

What is sent between a request and its answer may go either way. And the policy judges a packet where the hub meets it,
not where it was sent: one that is still under way when the next change is made is rightly judged by that one. What was
under way is not guessed. Packets of a tunnel stay in order, so whatever was sent before one that arrived in time was
through, too; and whatever was sent before a ping that the hub has answered has met the hub.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from netlab import Received, Sent

P = TypeVar("P", Sent, Received)

_STALL_NS = 100_000_000
"""A queue of WireGuard's, of two or three hundred packets, holds a stream of one packet each ms for longer."""


@dataclass(frozen=True)
class Phase:
    """A stretch of time in which the stream's packets ought to arrive, or ought not to.

    Attributes:
        start_ns, end_ns: monotonic, from the answer of the change that begins it to the request of the one that ends
            it; the end is None while it lasts.
        settled_ns: of a denial: what was sent before then has met the hub before the end.
    """

    allowed: bool
    start_ns: int
    end_ns: int | None = None
    settled_ns: int | None = None

    def covers(self, start_ns: int, end_ns: int) -> bool:
        """Whether all of [start, end] lies in it."""
        return self.start_ns <= start_ns and (self.end_ns is None or end_ns <= self.end_ns)


@dataclass(frozen=True)
class Judgement:
    """Numbers of packets that are not where they ought to be.

    Attributes:
        late: sent while denied, and delivered.
        lost: sent while allowed, and missing without an excuse.
        overflowed: sent while allowed, and missing because a queue was too short for them.
    """

    late: Sequence[int] = ()
    lost: Sequence[int] = ()
    overflowed: Sequence[int] = ()

    @property
    def wrong(self) -> frozenset[int]:
        """Packets that refute a claim."""
        return frozenset((*self.late, *self.lost))


def judge(phases: Sequence[Phase], sent: Sequence[Sent], received: Sequence[Received]) -> Judgement:
    """Judge every packet of a stream by the phase that it was sent in."""
    lost, overflowed = told_apart(lost_although_allowed(phases, sent, received), sent, received)
    return Judgement(delivered_although_denied(phases, received), lost, overflowed)


def longest_way(phases: Sequence[Phase], received: Sequence[Received]) -> int:
    """The longest time, in ns, that a packet was under way while nothing changed; 0 if there was none.

    Args:
        phases: one after the other, as all of these functions take them.
    """
    ways = (
        packet.received_ns - packet.sent_ns
        for packet, phase in _with_phase(phases, received)
        if phase.allowed and phase.covers(packet.sent_ns, packet.received_ns)
    )
    return max(ways, default=0)


def delivered_although_denied(phases: Sequence[Phase], received: Sequence[Received]) -> list[int]:
    """Numbers of packets that were sent while denied and arrived.

    Of those that arrived after the denial ended, the ones that had met the hub before.
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


def lost_although_allowed(phases: Sequence[Phase], sent: Sequence[Sent], received: Sequence[Received]) -> list[int]:
    """Numbers of packets that were sent while allowed and are missing, although a later one was through in time."""
    arrived = {packet.seq for packet in received}
    last_through: dict[int, int] = {}
    for packet, phase in _with_phase(phases, received):
        if phase.covers(packet.sent_ns, packet.received_ns):
            last_through[phase.start_ns] = max(packet.seq, last_through.get(phase.start_ns, 0))
    return [
        packet.seq
        for packet, phase in _with_phase(phases, sent)
        if phase.allowed
        and not packet.errno
        and packet.seq not in arrived
        and packet.seq < last_through.get(phase.start_ns, 0)
    ]


def told_apart(lost: Sequence[int], sent: Sequence[Sent], received: Sequence[Received]) -> tuple[list[int], list[int]]:
    """Numbers of lost packets: those for which nothing accounts, and those that a queue was too short for.

    A queue that overflows is full: others were under way when the lost one was sent, and waited in it for a tenth of a
    second or more, because the machine had no processor for who should empty it.
    """
    waits = [(each.sent_ns, each.received_ns) for each in received if each.received_ns - each.sent_ns > _STALL_NS]
    overflowed = {seq for seq in lost if any(start <= sent[seq].sent_ns <= end for start, end in waits)}
    return [seq for seq in lost if seq not in overflowed], [seq for seq in lost if seq in overflowed]


def sent_while(phases: Sequence[Phase], packets: Sequence[P], *, allowed: bool) -> int:
    """How many of these packets were sent while the stream was allowed, or denied: what a verdict rests on."""
    return sum(phase.allowed is allowed for _, phase in _with_phase(phases, packets))


def _with_phase(phases: Sequence[Phase], packets: Sequence[P]) -> Iterator[tuple[P, Phase]]:
    """Each packet with the phase that it was sent in; those that were sent during a change are left out."""
    starts = [phase.start_ns for phase in phases]
    for packet in packets:
        at = bisect_right(starts, packet.sent_ns) - 1
        if at >= 0 and phases[at].covers(packet.sent_ns, packet.sent_ns):
            yield packet, phases[at]
