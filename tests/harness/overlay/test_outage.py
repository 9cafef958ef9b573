"""Outages of a stream: start, length, and losses outside of them."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay import outage as module
from harness.overlay.outage import ENOUGH, HealthStream, due_while_healthy, outage, unbroken_since
from harness.wire.reordering import IN_ORDER
from netlab import Received, Sent

MS = 1_000_000
WAY = MS // 2


def made_up(count: int, *lost: int, way: int = WAY) -> tuple[list[Sent], list[Received]]:
    """Makes a stream of one packet per millisecond, of which some were lost."""
    sent = [Sent(seq, seq * MS, seq * MS + 1000, 0) for seq in range(count)]
    return sent, [Received(each.seq, each.sent_ns, each.sent_ns + way) for each in sent if each.seq not in lost]


def arrived(count: int, *lost: int, first: int = 0) -> list[Received]:
    return made_up(count, *lost)[1][first:]


def lost_while_healthy(sent: list[Sent], received: list[Received], start_ns: int, end_ns: int, *held: Any) -> list[int]:
    """Lists the packets that had to arrive in a time, and did not."""
    there = {packet.seq for packet in received}
    return [seq for seq in due_while_healthy(sent, received, start_ns, end_ns, *held) if seq not in there]


def test_a_stream_without_a_loss_is_unbroken_from_its_start() -> None:
    assert unbroken_since(arrived(100, first=40)) == 40 * MS


def test_a_stream_is_unbroken_after_its_last_loss() -> None:
    assert unbroken_since(arrived(100, 50, 60, first=40)) == 61 * MS


@pytest.mark.parametrize(("lost", "whole"), [(100 - ENOUGH - 1, True), (100 - ENOUGH, False)])
def test_too_few_packets_are_inconclusive(lost: int, whole: bool) -> None:
    assert (unbroken_since(arrived(100, lost)) is not None) is whole
    assert unbroken_since([]) is None


def test_a_packet_that_may_be_held_back_breaks_no_stream() -> None:
    def held_until(at_ns: int) -> int:
        return sys.maxsize if at_ns > 97 * MS else 0

    assert unbroken_since(arrived(100, 97)) is None
    assert unbroken_since(arrived(100, 97), held_until) == 0
    assert unbroken_since(arrived(100, 50, 97), held_until) == 51 * MS


def test_a_packet_that_was_held_back_may_meet_the_damage() -> None:
    def held_until(at_ns: int) -> int:
        return 55 * MS if at_ns > 50 * MS else 0

    assert lost_while_healthy(*made_up(100, 50), 10 * MS, 55 * MS, held_until) == []
    assert lost_while_healthy(*made_up(100, 50), 10 * MS, 56 * MS, held_until) == [50]


def test_an_outage_ends_with_the_packet_after_its_last_loss() -> None:
    assert outage(*made_up(100, 10, 30), 0, 100 * MS) == pytest.approx(0.021)
    assert outage(*made_up(100, 10, 30), 20 * MS, 100 * MS) == pytest.approx(0.001)
    assert outage(*made_up(100, 10, 30), 40 * MS, 100 * MS) == 0.0
    assert outage(*made_up(100, *range(90, 100)), 0, 120 * MS) == pytest.approx(0.030)


def test_a_loss_while_nothing_is_broken_is_found() -> None:
    assert lost_while_healthy(*made_up(100, 5, 50), 10 * MS, 90 * MS) == [50]


def test_packets_under_way_at_the_end_are_not_counted_as_lost() -> None:
    assert lost_while_healthy(*made_up(100, 88, 89, 90), 10 * MS, 90 * MS) == []


class MadeUpStream:
    """A stream of a packet every millisecond. Each reading of its clock moves the clock on by a tenth of a second."""

    receiver_drops = 0

    def __init__(self, sent: list[Sent], received: list[Received]) -> None:
        self._now = 0
        self._sent, self._received = sent, received

    def __enter__(self) -> None: ...

    def mark(self) -> int:
        now, self._now = self._now, self._now + 100 * MS
        return now

    def stop(self) -> None:
        self._now = self._sent[-1].sent_ns + 1000 * MS

    def sent(self) -> list[Sent]:
        return self._sent

    def received(self) -> list[Received]:
        return [each for each in self._received if each.received_ns <= self._now]

    def received_since(self, start_ns: int) -> list[Received]:
        return [each for each in self.received() if each.sent_ns >= start_ns]


HELD, FREE = 300, 1000
"""Packets from the first to before the second are held back where they are sent, as nothing empties the queue there."""


@pytest.mark.parametrize(
    ("way_beside", "explained"),
    [(None, False), (WAY, False), ((FREE - HELD) * MS, True)],
    ids=["alone", "prompt", "held"],
)
def test_packets_of_another_stream_that_waited_explain_losses(
    way_beside: int | None, explained: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of what both senders held back, the packets of the other one came first, and filled the hub's queue.
    sent, received = made_up(2000, *range(HELD, 600), *range(850, FREE))
    stream = MadeUpStream(
        sent, [Received(p.seq, p.sent_ns, FREE * MS) if HELD <= p.seq < FREE else p for p in received]
    )
    monkeypatch.setattr(module, "UdpStream", lambda *_, **__: stream)
    machine: Any = SimpleNamespace(name="pune", host=None, address="10.100.0.2", way=IN_ORDER)
    beside: Any = None
    if way_beside is not None:
        other = [Received(seq, seq * MS, seq * MS + way_beside) for seq in range(HELD, 800)]
        beside = SimpleNamespace(received=lambda: other)
    with (
        nullcontext() if explained else pytest.raises(Refuted, match=r"packets were lost again: 300 \("),
        HealthStream(machine, machine, Record(), beside=beside) as health,
    ):
        health.wait_until_whole(1)
        while stream.mark() < FREE * MS:
            pass
