"""Judgements of invented streams."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.judgement import (
    Phase,
    Wait,
    confirm_losses,
    count_denied,
    count_sent_while,
    delivered_although_denied,
    judge,
    longest_transit_ns,
    split_losses,
)
from netlab import Received, Sent

ALLOWED, DENIED, AGAIN = Phase(True, 0, 100), Phase(False, 110, 200), Phase(True, 210, 300)
PHASES = [ALLOWED, DENIED, AGAIN]


def sent(*moments: int) -> list[Sent]:
    """Returns one packet for each moment; the system call takes 1 ns."""
    return [Sent(number, moment, moment + 1, 0) for number, moment in enumerate(moments)]


def test_a_packet_sent_after_its_denial_must_not_arrive() -> None:
    assert delivered_although_denied(PHASES, [Received(7, 111, 150)]) == [7]


def test_a_packet_may_be_in_transit_while_the_denial_ends() -> None:
    usual = Received(1, 10, 30)
    assert delivered_although_denied(PHASES, [usual, Received(7, 190, 215)]) == []


def test_a_packet_at_the_hub_during_the_denial_must_not_arrive() -> None:
    settled = [ALLOWED, Phase(False, 110, 200, settled_ns=150), AGAIN]
    assert delivered_although_denied(settled, [Received(7, 120, 215), Received(8, 160, 215)]) == [7]


def test_a_slow_packet_is_no_leak() -> None:
    # Nothing shows that the packet met the hub during the denial: the lab may have stood still.
    assert delivered_although_denied(PHASES, [Received(1, 10, 30), Received(7, 120, 215)]) == []


def test_a_denial_that_lasts_excuses_no_delivery() -> None:
    open_end = [ALLOWED, Phase(False, 110)]
    assert delivered_although_denied(open_end, [Received(1, 10, 99), Received(7, 150, 10_000)]) == [7]


def test_packets_sent_during_a_change_may_go_either_way() -> None:
    assert delivered_although_denied(PHASES, [Received(1, 105, 106), Received(2, 205, 206)]) == []
    assert judge(PHASES, sent(105, 205), []).lost == []


def test_a_packet_that_is_allowed_must_not_be_lost() -> None:
    assert judge(PHASES, sent(10, 50, 60), [Received(0, 10, 20), Received(2, 60, 70)]).lost == [1]


def test_a_packet_in_transit_may_meet_the_denial() -> None:
    assert judge(PHASES, sent(10, 95), [Received(0, 10, 20)]).lost == []


def test_a_packet_delivered_late_says_nothing_of_earlier_ones() -> None:
    # Number 2 was under way at the denial and met the next allowance; number 1 may have met the denial.
    assert judge(PHASES, sent(10, 90, 95), [Received(0, 10, 20), Received(2, 95, 215)]).lost == []


def test_one_slow_packet_excuses_no_loss() -> None:
    received = [Received(0, 1, 99), Received(9, 90, 95)]
    assert judge(PHASES, sent(1, *range(10, 90, 10), 90), received).lost == list(range(1, 9))


def test_a_packet_that_the_sender_could_not_send_is_not_lost() -> None:
    assert judge(PHASES, [Sent(0, 10, 11, 101), Sent(1, 20, 21, 0)], [Received(1, 20, 30)]).lost == []


MS = 1_000_000


def stalled(wait_ms: int, *lost: int) -> tuple[list[int], list[int]]:
    """Splits the losses of a stream whose queue is not emptied for a while from its 400th packet on."""
    packets = sent(*(number * MS for number in range(1000)))
    free = (400 + wait_ms) * MS
    prompt = [Received(each.seq, each.sent_ns, each.sent_ns + MS // 2) for each in packets if each.seq not in lost]
    waited = [Received(each.seq, each.sent_ns, free) if 400 * MS <= each.sent_ns < free else each for each in prompt]
    return split_losses(lost, packets, waited)


def test_an_overflowed_queue_explains_losses_meanwhile() -> None:
    assert stalled(184, 560, 583) == ([], [560, 583])


def test_an_overflowed_queue_explains_no_loss_before_or_after() -> None:
    assert stalled(184, 399, 560, 585) == ([399, 585], [560])


def test_a_short_wait_fills_no_queue() -> None:
    assert stalled(90, 450) == ([450], [])


# One packet per ms, of which those around the 500th waited 300 ms.
STREAM = sent(*(number * MS for number in range(5000)))
STALLED = [Received(each.seq, each.sent_ns, 800 * MS) for each in STREAM[501:800]]


@pytest.mark.parametrize(
    ("wait", "is_confirmed"),
    [
        (Wait(600 * MS, 75 * MS), True),
        (Wait(600 * MS, 74 * MS), False),
        (Wait(1500 * MS, 300 * MS), True),
        (Wait(1502 * MS, 300 * MS), False),
    ],
)
def test_a_wait_of_the_canary_confirms_losses_about_then(wait: Wait, is_confirmed: bool) -> None:
    expected = ([7], [501]) if is_confirmed else ([7, 501], [])
    assert confirm_losses([7], [501], STREAM, STALLED, [Wait(0, 10 * MS), wait]) == expected


def test_a_long_standstill_is_not_excused_by_a_short_wait() -> None:
    stalled = [Received(each.seq, each.sent_ns, 2500 * MS) for each in STREAM[501:2500]]
    waits = [Wait(number * MS, 150 * MS) for number in range(0, 5000, 200)]
    assert confirm_losses([], [501], STREAM, stalled, waits) == ([501], [])


def test_without_a_wait_of_the_canary_nothing_is_the_machine_s() -> None:
    packets = STREAM[:1000]
    waited = [Received(each.seq, each.sent_ns, 800 * MS) for each in packets if each.seq != 500]
    phases = [Phase(True, 0)]
    for canary in (None, [Wait(500 * MS, 250 * MS)]):
        found = judge(phases, packets, waited, canary)
        assert (found.lost, found.overflowed) == ([], [500])
    alone = judge(phases, packets, waited, [])
    assert (alone.lost, alone.overflowed) == ([500], [])


def test_a_packet_under_way_during_a_change_has_no_transit_time() -> None:
    assert longest_transit_ns(PHASES, [Received(0, 10, 20), Received(1, 99, 250)]) == 10


def test_packets_sent_while_allowed_and_denied_are_counted() -> None:
    packets = sent(10, 105, 120, 130, 250)
    assert (count_sent_while(PHASES, packets, allowed=True), count_sent_while(PHASES, packets, allowed=False)) == (2, 2)


@given(st.lists(st.tuples(st.integers(0, 320), st.integers(0, 60)), max_size=40))
def test_each_packet_is_lost_or_delivered_in_its_phase_only(
    transits: list[tuple[int, int]],
) -> None:
    received = [Received(number, moment, moment + way) for number, (moment, way) in enumerate(sorted(transits))]
    packets = sent(*(moment for moment, _ in sorted(transits)))
    late = delivered_although_denied(PHASES, received)
    assert all(DENIED.covers(received[number].sent_ns, received[number].sent_ns) for number in late)
    assert judge(PHASES, packets, received).lost == []


_MS = 1_000_000


def test_packets_under_way_at_the_end_of_a_denial_are_no_chance() -> None:
    denied = Phase(False, 10 * _MS, 100 * _MS)
    packets = sent(20 * _MS, 80 * _MS, 95 * _MS)
    assert count_denied([denied], packets) == 2
    # A ping that the hub answered shows that the last one had met the hub.
    assert count_denied([Phase(False, 10 * _MS, 100 * _MS, settled_ns=96 * _MS)], packets) == 3
    assert count_denied([Phase(False, 10 * _MS)], packets) == 3
    assert count_denied([Phase(True, 10 * _MS)], packets) == 0


@given(st.sets(st.integers(0, 299), max_size=60), st.sets(st.integers(0, 299), max_size=60))
def test_there_is_a_chance_for_every_packet_that_can_be_named(moments: set[int], missing: set[int]) -> None:
    packets = sent(*sorted(moments))
    arrived = [Received(each.seq, each.sent_ns, each.sent_ns + 1) for each in packets if each.sent_ns not in missing]
    found = judge([ALLOWED, Phase(False, 110)], packets, arrived)
    assert len(found.late) <= found.denied
    assert len(found.lost) + len(found.overflowed) <= found.allowed <= len(packets)
