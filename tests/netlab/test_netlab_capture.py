from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, UDP

from netlab import Capture, NetlabError, UdpEcho, UdpStream, udp_probe
from netlab.topologies import Pair


def test_a_capture_sees_both_directions(pair: Pair) -> None:
    with UdpEcho(pair.pune, 7), Capture(pair.pune, "eth0", "udp port 7") as capture:
        assert udp_probe(pair.mumbai, "192.0.2.12", 7) is not None
        there, back = capture.packets()
    assert (there[IP].src, there[IP].dst, there[UDP].dport) == ("192.0.2.11", "192.0.2.12", 7)
    assert (back[IP].src, back[UDP].sport, back[UDP].dport) == ("192.0.2.12", 7, there[UDP].sport)
    assert bytes(there[UDP].payload) == bytes(back[UDP].payload)
    assert there.wirelen == 14 + 20 + 8 + 16
    assert capture.path.parent == pair.pune.folder
    assert capture.dropped == 0


def test_a_short_snaplen_keeps_the_length_on_the_wire(pair: Pair) -> None:
    with Capture(pair.mumbai, "eth0", snaplen=60) as capture:
        pair.mumbai.ping("192.0.2.12", size=1000)
    first = next(packet for packet in capture.packets() if ICMP in packet)
    assert (first.wirelen, len(first)) == (14 + 20 + 8 + 1000, 60)
    reading = pair.mumbai.run("tcpdump", "-n", "-r", capture.path, check=False)
    # tcpdump insists on changing its user, which a sandbox made without root forbids.
    if "Couldn't change to" not in reading.stderr:
        assert "192.0.2.11 > 192.0.2.12: ICMP echo request" in reading.stdout


def test_the_loopback_is_seen_once(pair: Pair) -> None:
    with Capture(pair.mumbai, "lo", "icmp") as capture:
        pair.mumbai.ping("127.0.0.1")
        assert len(capture.packets()) == 2


def test_a_record_that_is_still_being_written_is_not_read(pair: Pair) -> None:
    with Capture(pair.mumbai, "eth0", "icmp") as capture:
        pair.mumbai.ping("192.0.2.12")
        assert len(capture.packets()) == 2
        with Path(capture.path).open("ab") as file:
            file.write(bytes(20))
        assert len(capture.packets()) == 2


def test_a_capture_is_complete_when_stopped(pair: Pair) -> None:
    capture = Capture(pair.pune, "eth0", "udp port 9000", snaplen=96)
    with UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 9000, interval_s=0.001) as stream:
        stream.wait_delivery(stream.mark() + 200_000_000, 2.0)
    capture.stop()
    assert len(capture.packets()) == len(stream.sent())


def test_a_capture_that_cannot_start_says_why(pair: Pair) -> None:
    with pytest.raises(NetlabError, match="nosuch0"):
        Capture(pair.mumbai, "nosuch0")
    with pytest.raises(NetlabError, match="syntax error"):
        Capture(pair.mumbai, "eth0", "not a filter (")
