"""Marks in packets."""

from __future__ import annotations

from harness.wire.witness import Marks
from harness.world import outside


def test_marks_are_found_wherever_they_are_and_no_others() -> None:
    own, other = Marks(), Marks()
    frame = b"\x45" + own.mark(7) + b"between" + own.mark(258) + other.mark(9)
    assert own.within(frame) == {7, 258}
    assert other.within(frame) == {9}
    assert own.within(frame[:11]) == set()


def test_every_attempt_has_its_own_mark() -> None:
    marks, hub = Marks(), "10.100.0.1"
    tried = outside.probes("10.100.0.2", "10.100.0.3", hub, marks)
    for number, probe in enumerate(tried):
        for packet in probe.packets:
            assert marks.within(bytes(packet)) == {number}
            assert packet.dst == probe.destination
    assert {each.destination for each in tried} >= {*outside.INTERNET, *outside.EVERYBODY, hub}
