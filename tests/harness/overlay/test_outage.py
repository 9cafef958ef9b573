"""Outages of a stream: begin, length, and losses outside of them."""

from __future__ import annotations

import pytest

from harness.overlay.outage import ENOUGH, lost_while_healthy, outage, unbroken_since
from netlab import Received, Sent

MS = 1_000_000
WAY = MS // 2


def made_up(count: int, *lost: int, way: int = WAY) -> tuple[list[Sent], list[Received]]:
    """Returns a stream of one packet per millisecond, of which some were lost."""
    sent = [Sent(seq, seq * MS, seq * MS + 1000, 0) for seq in range(count)]
    return sent, [Received(each.seq, each.sent_ns, each.sent_ns + way) for each in sent if each.seq not in lost]


def arrived(count: int, *lost: int) -> list[Received]:
    return made_up(count, *lost)[1]


def test_a_stream_without_a_loss_is_unbroken_from_its_first_packet_on() -> None:
    assert unbroken_since(arrived(100), since_ns=40 * MS) == 40 * MS


def test_a_stream_is_unbroken_after_its_last_loss() -> None:
    assert unbroken_since(arrived(100, 50, 60), since_ns=40 * MS) == 61 * MS


@pytest.mark.parametrize(("lost", "whole"), [(100 - ENOUGH - 1, True), (100 - ENOUGH, False)])
def test_too_few_packets_show_nothing(lost: int, whole: bool) -> None:
    assert (unbroken_since(arrived(100, lost), since_ns=0) is not None) is whole


def test_packets_sent_before_do_not_count() -> None:
    assert unbroken_since(arrived(100), since_ns=90 * MS) is None
    assert unbroken_since(arrived(100, *range(40, 100)), since_ns=50 * MS) is None


def test_an_outage_lasts_from_the_first_loss_to_the_packet_after_the_last() -> None:
    assert outage(*made_up(100, 10, 30), 0, 100 * MS) == pytest.approx(0.021)
    assert outage(*made_up(100, 10, 30), 20 * MS, 100 * MS) == pytest.approx(0.001)
    assert outage(*made_up(100, 10, 30), 40 * MS, 100 * MS) == 0.0
    assert outage(*made_up(100, *range(90, 100)), 0, 120 * MS) == pytest.approx(0.030)


def test_a_loss_while_nothing_is_broken_is_found() -> None:
    assert lost_while_healthy(*made_up(100, 5, 50), 10 * MS, 90 * MS) == [50]


def test_packets_under_way_at_the_end_are_not_counted_as_lost() -> None:
    assert lost_while_healthy(*made_up(100, 88, 89, 90), 10 * MS, 90 * MS) == []
