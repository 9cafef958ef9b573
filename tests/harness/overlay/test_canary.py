"""Canary beside measured streams: it loses what a bare hub loses."""

from __future__ import annotations

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive
from harness.overlay.canary import Canary
from netlab import Host, Lab


def forward(router: Host, value: int) -> None:
    router.run("sysctl", "-qw", f"net.ipv4.ip_forward={value}")


def test_a_canary_tells_when_its_hub_lost_packets() -> None:
    record = Record()
    with Lab() as lab:
        switch = lab.switch("internet")
        router, source, destination = lab.router("router"), lab.host("source"), lab.host("destination")
        for number, host in enumerate((router, source, destination), start=1):
            lab.connect(host, switch, f"192.0.2.{number}/24")
        with Canary(router, "192.0.2.1", source, destination, record, 0.002) as canary:
            assert canary.lost() == []
            forward(router, 0)
            with pytest.raises(Inconclusive, match="nothing passes a bare hub"):
                canary.lost()
            forward(router, 1)
            lost = canary.lost()
    assert record.measured["canary packets lost"] == len(lost) > 0
