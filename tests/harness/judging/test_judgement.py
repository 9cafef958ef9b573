"""The judgement of streams, with made-up ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.judging.judgement import (
    Phase,
    delivered_although_denied,
    longest_way,
    lost_although_allowed,
    sent_while,
    told_apart,
)
from netlab import Received, Sent

ALLOWED, DENIED, AGAIN = Phase(True, 0, 100), Phase(False, 110, 200), Phase(True, 210, 300)
PHASES = [ALLOWED, DENIED, AGAIN]


def sent(*moments: int) -> list[Sent]:
    """One packet at each moment; the system call takes 1 ns."""
    return [Sent(number, moment, moment + 1, 0) for number, moment in enumerate(moments)]


def test_a_packet_sent_after_the_answer_that_denies_it_must_not_arrive() -> None:
    assert delivered_although_denied(PHASES, [Received(7, 111, 150)]) == [7]


def test_a_packet_may_be_under_way_while_the_denial_ends() -> None:
    usual = Received(1, 10, 30)
    assert delivered_although_denied(PHASES, [usual, Received(7, 190, 215)]) == []


def test_but_not_when_it_met_the_hub_before() -> None:
    settled = [ALLOWED, Phase(False, 110, 200, settled_ns=150), AGAIN]
    assert delivered_although_denied(settled, [Received(7, 120, 215), Received(8, 160, 215)]) == [7]


def test_a_slow_way_is_no_leak() -> None:
    # The lab stood still: nothing shows that the hub judged it while it was denied.
    assert delivered_although_denied(PHASES, [Received(1, 10, 30), Received(7, 120, 215)]) == []


def test_without_a_denial_that_ended_nothing_excuses_a_delivery() -> None:
    open_end = [ALLOWED, Phase(False, 110)]
    assert delivered_although_denied(open_end, [Received(1, 10, 99), Received(7, 150, 10_000)]) == [7]


def test_what_is_sent_during_a_change_may_go_either_way() -> None:
    assert delivered_although_denied(PHASES, [Received(1, 105, 106), Received(2, 205, 206)]) == []
    assert lost_although_allowed(PHASES, sent(105, 205), []) == []


def test_a_packet_that_is_allowed_must_not_be_lost() -> None:
    assert lost_although_allowed(PHASES, sent(10, 50, 60), [Received(0, 10, 20), Received(2, 60, 70)]) == [1]


def test_a_packet_may_meet_the_denial_that_comes_while_it_is_under_way() -> None:
    assert lost_although_allowed(PHASES, sent(10, 95), [Received(0, 10, 20)]) == []


def test_what_got_through_by_a_later_allowance_excuses_nothing_and_shows_nothing() -> None:
    # Number 2 was still under way when the denial came, and met the next allowance: so may number 1 have been.
    assert lost_although_allowed(PHASES, sent(10, 90, 95), [Received(0, 10, 20), Received(2, 95, 215)]) == []


def test_one_slow_packet_excuses_no_loss() -> None:
    received = [Received(0, 1, 99), Received(9, 90, 95)]
    assert lost_although_allowed(PHASES, sent(1, *range(10, 90, 10), 90), received) == list(range(1, 9))


def test_a_packet_that_the_sender_could_not_send_is_not_lost() -> None:
    assert lost_although_allowed(PHASES, [Sent(0, 10, 11, 101), Sent(1, 20, 21, 0)], [Received(1, 20, 30)]) == []


MS = 1_000_000


def stalled(wait_ms: int, *lost: int) -> tuple[list[int], list[int]]:
    """A packet each ms for a second; from the 400th on nobody empties the queue for so long. These are lost."""
    packets = sent(*(number * MS for number in range(1000)))
    free = (400 + wait_ms) * MS
    ways = [Received(each.seq, each.sent_ns, each.sent_ns + MS // 2) for each in packets if each.seq not in lost]
    waited = [Received(each.seq, each.sent_ns, free) if 400 * MS <= each.sent_ns < free else each for each in ways]
    return told_apart(lost, packets, waited)


def test_a_queue_that_overflowed_accounts_for_what_was_lost_meanwhile() -> None:
    assert stalled(184, 560, 583) == ([], [560, 583])


def test_but_not_for_what_was_lost_before_or_after() -> None:
    assert stalled(184, 399, 560, 585) == ([399, 585], [560])


def test_a_short_wait_fills_no_queue() -> None:
    assert stalled(90, 450) == ([450], [])


def test_a_way_through_a_change_says_nothing_of_how_long_ways_are() -> None:
    assert longest_way(PHASES, [Received(0, 10, 20), Received(1, 99, 250)]) == 10


def test_what_a_verdict_rests_on_is_counted() -> None:
    packets = sent(10, 105, 120, 130, 250)
    assert (sent_while(PHASES, packets, allowed=True), sent_while(PHASES, packets, allowed=False)) == (2, 2)


@given(st.lists(st.tuples(st.integers(0, 320), st.integers(0, 60)), max_size=40))
def test_no_packet_is_both_lost_and_delivered_or_judged_outside_its_phase(ways: list[tuple[int, int]]) -> None:
    received = [Received(number, moment, moment + way) for number, (moment, way) in enumerate(sorted(ways))]
    packets = sent(*(moment for moment, _ in sorted(ways)))
    late = delivered_although_denied(PHASES, received)
    assert all(DENIED.covers(received[number].sent_ns, received[number].sent_ns) for number in late)
    assert lost_although_allowed(PHASES, packets, received) == []
