"""Shapes of links work as configured, or are refused by name if the kernel can't."""

from __future__ import annotations

import json

import pytest
from scapy.layers.inet import ICMP

from netlab import Capture, Host, InvalidPlan, Lab, LinkShape, Unsupported
from tests.waiting import DEADLINE


def has(host: Host, *discipline: str) -> bool:
    """Tells if the kernel has a queueing discipline."""
    return host.run("tc", "qdisc", "add", "dev", "lo", "root", *discipline, check=False).returncode == 0


def connected(lab: Lab, **shape: float) -> Host:
    """Connects two hosts to one switch, the first by a link of that shape; returns the first."""
    switch, first, second = lab.switch("lan"), lab.host("first"), lab.host("second")
    lab.connect(second, switch, "192.0.2.2/24")
    lab.connect(first, switch, "192.0.2.1/24", **shape)  # type: ignore[arg-type]
    return first


def introduce(first: Host, second: Host) -> None:
    """Tells each of the hosts that `connected` made the other one's link address, as questions get lost as well."""
    for asking, asked, address in ((first, second, "192.0.2.2"), (second, first, "192.0.2.1")):
        link = json.loads(asked.run("ip", "-json", "link", "show", "dev", "eth0").stdout)[0]
        asking.run("ip", "neigh", "replace", address, "lladdr", link["address"], "dev", "eth0")


def test_a_link_has_the_configured_mtu(lab: Lab) -> None:
    first = connected(lab, mtu=1400)
    link = json.loads(first.run("ip", "-json", "link", "show", "dev", "eth0").stdout)
    assert link[0]["mtu"] == 1400


def test_a_rate_is_kept_or_refused_clearly(lab: Lab) -> None:
    if not has(lab.host("probe"), "tbf", "rate", "1mbit", "burst", "9k", "latency", "1ms"):
        with pytest.raises(Unsupported, match="tbf"):
            connected(lab, rate=1_000_000)
        return
    # 25 packets of 1,028 bytes are 206 kbit, less the burst: well over 0.1 s at 1 Mbit/s.
    result = connected(lab, rate=1_000_000).ping("192.0.2.2", count=25, interval=0.0, size=1000, timeout=0.5)
    assert max(result.round_trips) > 0.03


def test_packets_are_lost_at_random(lab: Lab) -> None:
    """Loses half of the echo requests, and half of the answers to the others, with netem and without."""
    first = connected(lab, loss=0.5)
    introduce(first, lab.hosts["second"])
    result = first.ping("192.0.2.2", count=400, interval=0.0, timeout=0.5)
    # Six standard deviations around 100.
    assert 48 <= result.received <= 152


def test_a_loss_of_0_or_1_is_exact(lab: Lab) -> None:
    first, switch = connected(lab, loss=0.0), lab.switches["lan"]
    assert first.ping("192.0.2.2", count=20, interval=0.0, timeout=DEADLINE).received == 20
    lab.connect(lab.host("third"), switch, "192.0.2.3/24", loss=1.0)
    assert not first.ping("192.0.2.3", timeout=0.1)


def test_a_delay_is_kept_or_refused_clearly(lab: Lab) -> None:
    if not has(lab.host("probe"), "netem", "delay", "1ms"):
        with pytest.raises(Unsupported, match="netem"):
            connected(lab, delay=0.05)
        return
    result = connected(lab, delay=0.05).ping("192.0.2.2", count=3, interval=0.01, timeout=DEADLINE)
    assert result.received == 3
    assert min(result.round_trips) >= 0.1


def test_reordering_is_kept_or_refused_clearly(lab: Lab) -> None:
    if not has(lab.host("probe"), "netem", "delay", "1ms"):
        with pytest.raises(Unsupported, match="netem"):
            connected(lab, delay=0.05, reorder=0.5)
        return
    first = connected(lab, delay=0.05, reorder=0.5)
    with Capture(first, "eth0", "icmp[icmptype] == icmp-echoreply") as capture:
        assert first.ping("192.0.2.2", count=50, interval=0.001, timeout=DEADLINE).received == 50
        numbers = [packet[ICMP].seq for packet in capture.packets()]
    assert sorted(numbers) == list(range(50))
    assert numbers != sorted(numbers)


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ({"mtu": 60}, "MTU"),
        ({"rate": 0}, "rate"),
        ({"delay": -0.1}, "delay"),
        ({"loss": 1.1}, "loss"),
        ({"reorder": -0.1, "delay": 0.1}, "reorder"),
        ({"reorder": 0.1}, "needs a delay"),
    ],
)
def test_impossible_shapes_of_links_are_refused(shape: dict[str, float], word: str) -> None:
    with pytest.raises(InvalidPlan, match=word):
        LinkShape(**shape)  # type: ignore[arg-type]
