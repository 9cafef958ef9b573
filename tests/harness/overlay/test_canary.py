"""Canary beside measured streams: its packets wait where those of a bare hub do."""

from __future__ import annotations

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.canary import Canary
from netlab import Host, Lab, UdpStream


def forward(router: Host, value: int) -> None:
    router.run("sysctl", "-qw", f"net.ipv4.ip_forward={value}")


@pytest.mark.long
def test_a_canary_tells_when_its_packets_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record()
    with Lab() as lab:
        switch = lab.switch("internet")
        router, source, destination = lab.router("router"), lab.host("source"), lab.host("destination")
        for number, host in enumerate((router, source, destination), start=1):
            lab.connect(host, switch, f"192.0.2.{number}/24")
        with Canary(router, "192.0.2.1", source, destination, record, 0.002) as canary:
            before = canary.waits()
            forward(router, 0)
            with pytest.raises(Inconclusive, match="nothing passes a bare hub"):
                canary.waits()
            forward(router, 1)
            waits = canary.waits()
            recorded = UdpStream.sent
            # A sender may be suspended before it records a packet that has arrived, the first that passes again.
            monkeypatch.setattr(
                UdpStream, "sent", lambda stream: [each for each in recorded(stream) if each.sent_ns <= waits[-1].at_ns]
            )
            unrecorded = canary.waits()
            monkeypatch.undo()
    # Nothing passed for five seconds.
    assert max(each.ns for each in unrecorded) > 4e9
    assert max((each.ns for each in before), default=0) < 4e9 < max(each.ns for each in waits)
    assert [each.at_ns for each in waits] == sorted(each.at_ns for each in waits)
    assert record.measured["canary's longest wait"]
