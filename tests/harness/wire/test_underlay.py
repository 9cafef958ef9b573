"""Captured packets, classified by their outermost addresses and ports."""

from __future__ import annotations

from collections import Counter

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from harness.wire import underlay
from harness.wire.underlay import Leg

HUB, MUMBAI, PUNE, PORT = "192.0.2.1", "192.0.2.11", "192.0.2.12", 51820
HUB_6, MUMBAI_6, PUNE_6 = "2001:db8::1", "2001:db8::11", "2001:db8::12"
MACHINES = (MUMBAI, PUNE, MUMBAI_6, PUNE_6)
TO_HUB = UDP(sport=40000, dport=PORT)
MESSAGE = b"\4" + bytes(underlay.ping_message_length(100) - 1)


def captured(packet: Packet) -> Packet:
    # With both addresses given, scapy asks no network for them.
    return Ether(bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet))


@pytest.mark.parametrize(
    ("packet", "goes_direct", "goes_past_the_hub"),
    [
        (IP(src=MUMBAI, dst=HUB) / TO_HUB / MESSAGE, False, False),
        (IP(src=HUB, dst=MUMBAI) / UDP(sport=PORT, dport=40000) / MESSAGE, False, False),
        (IP(src=MUMBAI, dst=HUB) / UDP(sport=PORT, dport=53), False, True),
        (IP(src=MUMBAI, dst=HUB) / TCP(dport=PORT), False, True),
        (IP(src=MUMBAI, dst=HUB, frag=100, proto="udp") / bytes(TO_HUB), False, True),
        (IP(src=MUMBAI, dst=HUB) / IP(src=MUMBAI, dst=HUB) / TO_HUB, False, True),
        (IP(src=MUMBAI, dst=PUNE) / ICMP(), True, True),
        (IP(src=MUMBAI, dst=PUNE) / IP(src=MUMBAI, dst=HUB) / TO_HUB, True, True),
        (IPv6(src="2001:db8::1", dst="ff02::2") / UDP(), False, False),
        (ARP(psrc=MUMBAI, pdst=PUNE), True, False),
        (ARP(psrc=MUMBAI, pdst=HUB), False, False),
        (IPv6(src=MUMBAI_6, dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt=HUB_6), False, False),
        (IPv6(src=MUMBAI_6, dst="ff02::1:ff00:12") / ICMPv6ND_NS(tgt=PUNE_6), True, False),
        (IPv6(src=MUMBAI_6, dst=HUB_6) / ICMPv6ND_NA(tgt=MUMBAI_6), False, False),
        (IPv6(src=MUMBAI_6, dst=PUNE_6) / ICMPv6EchoRequest(), True, True),
    ],
    ids=lambda each: each.summary() if isinstance(each, Packet) else "",
)
def test_machines_may_exchange_packets_with_the_hub_s_port_only(
    packet: Packet, goes_direct: bool, goes_past_the_hub: bool
) -> None:
    assert bool(underlay.direct([captured(packet)], MACHINES)) == goes_direct
    assert bool(underlay.past_the_hub([captured(packet)], MACHINES, HUB, PORT)) == goes_past_the_hub


def test_messages_are_counted_by_path_and_length() -> None:
    there = IP(src=MUMBAI, dst=HUB) / TO_HUB
    back = IP(src=HUB, dst=PUNE) / UDP(sport=PORT, dport=40000)
    packets = [*map(captured, (there / MESSAGE, back / MESSAGE, there / MESSAGE[:-16], there / (b"\1" + MESSAGE[1:])))]
    assert underlay.messages(packets, HUB, len(MESSAGE)) == Counter([Leg(MUMBAI, HUB, PORT), Leg(HUB, PUNE, PORT)])
    assert (underlay.initiations(packets, MUMBAI), underlay.initiations(packets, PUNE)) == (1, 0)
