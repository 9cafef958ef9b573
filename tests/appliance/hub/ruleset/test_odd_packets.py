"""Odd packets in a real ruleset: no field that a sender chooses gets a denied packet through."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from appliance.hub.front_door.datagram import checksum
from appliance.model.policy import Action, Policy, Protocol
from tests.appliance.hub.ruled import Kernel, members, rule, state_of
from tests.appliance.hub.wire import HUB, Flow, ip

FIRST, SECOND, THIRD = members(3)
_MORE = 0x2000
_RESET, _FIN, _SYN_ACK = 0x04, 0x01, 0x12


def policy(default: Action) -> Policy:
    """Provides a rule about the second machine, so that its address is looked up, and none about the others."""
    return Policy(default, (rule("d", Action.DENY, FIRST, SECOND), rule("a", Action.ALLOW, SECOND, FIRST)))


def tcp(flags: int) -> bytes:
    """Makes a segment of a connection from the first to the third machine that was never opened."""
    body = struct.pack("!HHIIBBHHH", 40000, 80, 1, 1, 5 << 4, flags, 1024, 0, 0)
    pseudo = FIRST.address.packed + THIRD.address.packed + struct.pack("!BBH", 0, 6, len(body))
    body = body[:16] + struct.pack("!H", checksum(pseudo + body)) + body[18:]
    return ip(FIRST.address, THIRD.address, "tcp", body)


def icmp(kind: int, code: int = 0) -> bytes:
    """Makes a message from the first to the third machine."""
    body = struct.pack("!BBHI", kind, code, 0, 0) + bytes(20)
    return ip(FIRST.address, THIRD.address, "icmp", body[:2] + struct.pack("!H", checksum(body)) + body[4:])


BELONGING_NOWHERE = {
    "a reset": tcp(_RESET),
    "an end": tcp(_FIN),
    "an answer to no opening": tcp(_SYN_ACK),
    "no flags": tcp(0),
    "all flags": tcp(0x3F),
    "a segment without a whole header": ip(FIRST.address, THIRD.address, "tcp", bytes(12)),
    "a datagram without a whole header": ip(FIRST.address, THIRD.address, "udp", bytes(4)),
    "a wrong checksum": ip(FIRST.address, THIRD.address, "udp", struct.pack("!HHHH", 40000, 53, 8, 1)),
    **{f"ICMP {kind}": icmp(kind) for kind in range(256) if kind not in (8, 13, 15, 17)},
}


@pytest.mark.parametrize("rules", [Policy(Action.ALLOW), policy(Action.ALLOW)], ids=["no rules", "rules"])
def test_packets_of_no_connection_are_dropped(kernel: Kernel, rules: Policy) -> None:
    """Allows everything: it is still unknown which end opened the connection."""
    kernel.load(state_of((FIRST, SECOND, THIRD), rules))
    passed = kernel.wire.passing(BELONGING_NOWHERE.values())
    assert [name for name, packet in BELONGING_NOWHERE.items() if packet in passed] == []


@pytest.mark.parametrize("kind", [8, 13, 15, 17])
def test_queries_are_judged_as_icmp_and_answers_belong_to_them(kernel: Kernel, kind: int) -> None:
    allowed = rule("a", Action.ALLOW, FIRST, THIRD, Protocol.ICMP)
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.DENY, (allowed,))))
    query, answer = icmp(kind), icmp(kind + 1 if kind != 8 else 0)
    back = ip(THIRD.address, FIRST.address, "icmp", answer[20:])
    assert not kernel.wire.passes(back)
    assert kernel.wire.passes(query)
    assert kernel.wire.passes(back)
    assert not kernel.wire.passes(ip(THIRD.address, FIRST.address, "icmp", query[20:]))
    # An answer from another machine, and to one that did not ask, with the same identifier.
    assert not kernel.wire.passes(ip(SECOND.address, FIRST.address, "icmp", answer[20:]))
    assert not kernel.wire.passes(ip(THIRD.address, SECOND.address, "icmp", answer[20:]))


def pieces(flow: Flow, cuts: tuple[int, ...]) -> list[bytes]:
    """Makes the opening of a flow with 40 bytes of data, in fragments that begin at these places."""
    body = struct.pack("!HHHH", flow.own_port, flow.port, 48, 0) + bytes(range(40))
    ends = (*cuts[1:], len(body))
    return [
        ip(
            flow.source,
            flow.destination,
            "udp",
            body[first:end],
            fragment=first // 8 | (0 if end == len(body) else _MORE),
        )
        for first, end in zip(cuts, ends, strict=True)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_fragments_have_the_verdict_of_their_packet(kernel: Kernel, order: tuple[int, ...]) -> None:
    """Sends the fragments in any order, also before the one with the ports."""
    denied = rule("d", Action.DENY, FIRST, SECOND, Protocol.UDP, "53")
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.ALLOW, (denied,))))
    for port, arrives in ((53, False), (54, True)):
        parts = pieces(kernel.new_flow(FIRST, SECOND, "udp", port), (0, 8, 24))
        sent = kernel.wire.answers(*(parts[number] for number in order))
        assert any(IPv4Address(packet[16:20]) == SECOND.address for packet in sent) is arrives
        # A part of a packet alone is kept, and goes nowhere.
        assert kernel.wire.answers(*parts[1:]) == []


ROUTES = {"loose": 131, "strict": 137, "record": 7, "time": 68, "none": 1}


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("to", [SECOND.address, THIRD.address, HUB], ids=["denied", "allowed", "hub"])
def test_ip_options_change_neither_route_nor_verdict(kernel: Kernel, name: str, to: IPv4Address) -> None:
    kernel.load(state_of((FIRST, SECOND, THIRD), policy(Action.ALLOW)))
    options = {
        "none": b"\x01" * 8,
        "time": bytes((68, 8, 5, 0)) + bytes(4),
    }.get(name, bytes((ROUTES[name], 7, 4)) + SECOND.address.packed + b"\x00")
    for protocol in ("udp", "icmp"):
        opening = Flow(FIRST.address, to, protocol, 53).opening()
        sent = kernel.wire.answers(ip(FIRST.address, to, protocol, opening[20:], options=options))
        reached = {IPv4Address(packet[16:20]) for packet in sent if IPv4Address(packet[12:16]) == FIRST.address}
        assert reached <= ({THIRD.address} if to == THIRD.address else set())
        # The hub itself tells nobody but the sender.
        assert {IPv4Address(packet[16:20]) for packet in sent} - reached <= {FIRST.address}


def test_broadcasts_and_multicasts_are_dropped(kernel: Kernel) -> None:
    """Sends also packets to the hub other than pings, from and to foreign addresses, and of IPv6."""
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.ALLOW)))
    everybody = ("255.255.255.255", "224.0.0.1", "239.1.2.3", "10.100.0.0", "127.0.0.1", "0.0.0.0", "192.0.2.1")
    tried = [
        Flow(FIRST.address, IPv4Address(to), protocol, 53, 41000).opening()
        for to in everybody
        for protocol in ("tcp", "udp", "icmp", "gre")
    ]
    tried += [Flow(FIRST.address, HUB, protocol, port).opening() for protocol in ("tcp", "udp") for port in (22, 53)]
    tried += [Flow(FIRST.address, HUB, "gre").opening(), Flow(FIRST.address, HUB, "udp").error(receiver=HUB)]
    tried += [ip(FIRST.address, HUB, "icmp", icmp(kind)[20:]) for kind in range(256) if kind != 8]
    sixes = (
        b"\x60\x00\x00\x00\x00\x08\x3a\x40" + bytes(15) + b"\x01" + bytes(15) + last for last in (b"\x01", b"\x02")
    )
    tried += [head + b"\x80\x00\x00\x00" + bytes(4) for head in sixes]
    answered = kernel.wire.answers(*tried)
    # The network's own address leads to the link, where no machine has it.
    assert [packet for packet in answered if IPv4Address(packet[16:20]) != IPv4Address("10.100.0.0")] == []


def test_no_helper_opens_what_the_policy_denies(kernel: Kernel) -> None:
    """Announces another connection in FTP's commands, which no helper may expect."""
    allowed = rule("a", Action.ALLOW, FIRST, SECOND, Protocol.TCP, "21")
    kernel.load(state_of((FIRST, SECOND, THIRD), Policy(Action.DENY, (allowed,))))
    control = Flow(FIRST.address, SECOND.address, "tcp", 21, 41000)
    assert kernel.wire.passes(control.opening())
    assert kernel.wire.passes(control.reply())
    announced = replace(control, source=SECOND.address, destination=FIRST.address, port=50000, own_port=20)
    body = struct.pack("!HHIIBBHHH", 41000, 21, 2, 2, 5 << 4, 0x18, 1024, 0, 0) + b"PORT 10,100,0,2,195,80\r\n"
    pseudo = FIRST.address.packed + SECOND.address.packed + struct.pack("!BBH", 0, 6, len(body))
    body = body[:16] + struct.pack("!H", checksum(pseudo + body)) + body[18:]
    assert kernel.wire.passes(ip(FIRST.address, SECOND.address, "tcp", body))
    assert not kernel.wire.passes(announced.opening())
