"""Packets that have met the hub for certain, while the lab holds single ones back."""

from __future__ import annotations

import sys

from harness.judging.judgement import Phase, judge
from harness.judging.order import in_order, last, passed
from harness.judging.queues import Overflow, QueueLog, Span, dropped_by_queues
from netlab import Received, Sent

MS = 1_000_000


def arrived(count: int, *missing: int) -> list[Received]:
    """Makes packets of a stream of one per millisecond, each of which takes as long."""
    return [Received(seq, seq * MS, (seq + 1) * MS) for seq in range(count) if seq not in missing]


def held_until(at_ns: int) -> int:
    """Packet 50 came to the lab at 50 ms and was sent on at 55."""
    return 55 * MS if at_ns > 50 * MS else 0


def test_without_holding_all_before_the_last_have_met_the_hub() -> None:
    assert last(passed(arrived(60, 50), in_order)) == 59
    assert last(passed([], in_order)) == -1


def test_what_is_held_back_comes_before_what_is_sent_later() -> None:
    assert last(passed(arrived(55, 50), held_until)) == 49
    assert last(passed(arrived(56, 50), held_until)) == 55


def test_nothing_is_known_while_something_is_held_back() -> None:
    assert passed(arrived(60, 50), lambda at_ns: sys.maxsize if at_ns > 50 * MS else 0) == arrived(50)


def test_a_packet_that_is_held_back_may_meet_the_next_denial() -> None:
    sent = [Sent(seq, seq * MS, seq * MS, 0) for seq in range(100)]
    for end, lost in ((54, []), (55, []), (56, [50]), (99, [50])):
        phases = [Phase(True, 0, end * MS), Phase(False, end * MS)]
        received = [each for each in arrived(end, 50) if each.received_ns <= end * MS]
        assert judge(phases, sent, received, held_until=held_until).lost == lost
        assert judge(phases, sent, received).lost == [50]


def test_a_queue_may_drop_what_was_held_back_after_others_passed() -> None:
    sent = [Sent(seq, seq * MS, seq * MS, 0) for seq in range(100)]
    log = QueueLog([Overflow(Span(54 * MS, 56 * MS), 1)], late_looks=[Span(40 * MS, 60 * MS)])
    assert dropped_by_queues([50], sent, arrived(100, 50), log, held_until) == {50}
    assert not dropped_by_queues([50], sent, arrived(100, 50), log)
