"""Losses that the counters of the hub's queues explain, of invented streams."""

from __future__ import annotations

import pytest

from harness.judging.judgement import Phase, Wait, judge
from harness.judging.queues import Overflow, QueueLog, Span, dropped_by_queues, lost_in_sleep
from netlab import Received, Sent

MS = 1_000_000
STREAM = [Sent(number, number * MS, number * MS + 1000, 0) for number in range(4000)]
BURST = range(1000, 1010)
# The queue dropped ten packets in a row, and none around them waited.
ARRIVED = [Received(each.seq, each.sent_ns, each.sent_ns + MS // 2) for each in STREAM if each.seq not in BURST]
DROPPED = Overflow(Span(1000 * MS, 1020 * MS), 10)
LATE = Span(900 * MS, 960 * MS)
COUNTED = QueueLog([DROPPED], late_looks=[LATE])


def test_packets_that_a_queue_dropped_are_the_machine_s() -> None:
    assert dropped_by_queues(BURST, STREAM, ARRIVED, COUNTED) == set(BURST)
    found = judge([Phase(True, 0)], STREAM, ARRIVED, [], COUNTED)
    assert (found.lost, found.overflowed) == ([], list(BURST))


def test_packets_that_a_processor_dropped_are_the_machine_s() -> None:
    assert dropped_by_queues(BURST, STREAM, ARRIVED, QueueLog(backlogs=[DROPPED], late_looks=[LATE])) == set(BURST)
    few = QueueLog([Overflow(DROPPED.span, 2)], late_looks=[LATE], backlogs=[Overflow(DROPPED.span, 3)])
    assert len(dropped_by_queues(BURST, STREAM, ARRIVED, few)) == 5


def test_a_queue_explains_as_many_packets_as_it_dropped() -> None:
    log = QueueLog([Overflow(DROPPED.span, 6)], late_looks=[LATE])
    assert dropped_by_queues(BURST, STREAM, ARRIVED, log) == set(BURST[:6])


@pytest.mark.parametrize(("start", "end", "explains"), [(1011, 1020, False), (1010, 1020, True), (990, 999, False)])
def test_a_queue_explains_no_loss_at_another_time(start: int, end: int, explains: bool) -> None:
    log = QueueLog([Overflow(Span(start * MS, end * MS), 10)], late_looks=[LATE])
    assert bool(dropped_by_queues(BURST, STREAM, ARRIVED, log)) is explains


@pytest.mark.parametrize("late", [[], [Span(2100 * MS, 2200 * MS)]])
def test_a_machine_that_is_not_busy_fills_no_queue(late: list[Span]) -> None:
    assert not dropped_by_queues(BURST, STREAM, ARRIVED, QueueLog([DROPPED], late_looks=late))


def test_packets_that_waited_show_that_a_machine_is_busy() -> None:
    waited = [Received(100, 100 * MS, 201 * MS), *(each for each in ARRIVED if each.seq != 100)]
    assert dropped_by_queues(BURST, STREAM, waited, QueueLog([DROPPED])) == set(BURST)
    early = [Received(0, 0, 101 * MS), *(each for each in ARRIVED if each.seq > 110)]
    late_burst = QueueLog([Overflow(Span(1500 * MS, 1520 * MS), 10)])
    arrived = [each for each in early if each.seq not in range(1500, 1510)]
    assert not dropped_by_queues(range(1500, 1510), STREAM, arrived, late_burst)


def test_a_queue_explains_no_long_silence() -> None:
    silence = range(1000, 2100)
    arrived = [each for each in ARRIVED if each.seq not in silence]
    log = QueueLog([Overflow(DROPPED.span, 5000)], late_looks=[LATE])
    explained = dropped_by_queues(silence, STREAM, arrived, log)
    assert not explained & set(silence[:100])


def test_a_hub_that_slept_on_a_full_queue_has_no_excuse() -> None:
    asleep = QueueLog([DROPPED], [Span(1002 * MS, 1008 * MS)], [LATE])
    assert lost_in_sleep(BURST, STREAM, ARRIVED, asleep) == {*range(1000, 1009)}
    waited = [Received(999, 999 * MS, 1300 * MS), *(each for each in ARRIVED if each.seq != 999)]
    canary = [Wait(1000 * MS, 300 * MS)]
    assert not judge([Phase(True, 0)], STREAM, waited, canary, COUNTED).lost
    assert judge([Phase(True, 0)], STREAM, waited, canary, asleep).lost == [*range(1000, 1009)]


def test_a_loss_that_nothing_counted_is_the_hub_s() -> None:
    found = judge([Phase(True, 0)], STREAM, ARRIVED, [Wait(1000 * MS, 300 * MS)], QueueLog(late_looks=[LATE]))
    assert (found.lost, found.overflowed) == (list(BURST), [])
