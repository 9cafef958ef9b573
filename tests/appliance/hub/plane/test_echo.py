"""Pings of machines on a real link: only the machine's own reply to this ping counts."""

from __future__ import annotations

import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest

from appliance.hub.errors import HubError
from appliance.hub.front_door.datagram import checksum
from appliance.hub.names import KernelNames
from appliance.hub.plane import echo
from tests.appliance.hub.wire import HUB, Wire, ip

MACHINE, OTHER = IPv4Address("10.100.0.2"), IPv4Address("10.100.0.3")
BRISK = echo.PingTiming(every_s=0.1, longest_s=0.4)
Reply = Callable[[bytes], bytes]


def reply(request: bytes, source: IPv4Address = MACHINE, **changes: int | bytes) -> bytes:
    """Makes the reply to a received echo request, as a machine's kernel does, but for the changes."""
    kind, _, _, identifier, sequence = struct.unpack_from("!BBHHH", request, 20)
    assert kind == 8
    fields = {"kind": 0, "identifier": identifier, "sequence": sequence, "content": request[28:], **changes}
    body = struct.pack("!BBHHH", fields["kind"], 0, 0, fields["identifier"], fields["sequence"]) + fields["content"]
    return ip(source, HUB, "icmp", body[:2] + checksum(body).to_bytes(2, "big") + body[4:])


def request_on(wire: Wire) -> bytes:
    """Waits for the next packet to the machine; the kernel sends others when a link comes up."""
    while (packet := wire.next())[16:20] != MACHINE.packed:
        pass
    return packet


def exchange(wire: Wire, *replies: Reply) -> float | None:
    """Pings, and sends these replies to the first request."""
    wire.drain()
    with ThreadPoolExecutor(1) as pool:
        pinging = pool.submit(echo.round_trip, wire.names, HUB, MACHINE)
        request = request_on(wire)
        for each in replies:
            wire.send(each(request))
        return pinging.result()


def test_a_reply_is_timed(wire: Wire) -> None:
    seconds = exchange(wire, reply)
    assert seconds is not None
    assert 0 < seconds < echo.USUAL.longest_s


def test_a_request_is_an_intact_packet_to_the_machine(wire: Wire) -> None:
    seen: list[bytes] = []

    def look(request: bytes) -> bytes:
        seen.append(request)
        return reply(request)

    exchange(wire, look)
    (packet,) = seen
    assert checksum(packet[:20]) == checksum(packet[20:]) == 0
    assert packet[12:20] == HUB.packed + MACHINE.packed


FORGED: dict[str, Reply] = {
    "of another machine": lambda request: reply(request, OTHER),
    "a request": lambda request: reply(request, kind=8),
    "another identifier": lambda request: reply(request, identifier=struct.unpack_from("!H", request, 24)[0] ^ 1),
    "other content": lambda request: reply(request, content=bytes(16)),
    "no content": lambda request: reply(request, content=b""),
    "of a request that was not sent": lambda request: reply(request, sequence=3),
    "cut off": lambda request: reply(request)[:22],
    "a fragment": lambda request: reply(request)[:6] + b"\x00\x01" + reply(request)[8:],
}


def test_what_is_no_reply_to_this_ping_does_not_count(wire: Wire) -> None:
    assert exchange(wire, *FORGED.values()) is None
    assert exchange(wire, *FORGED.values(), reply) is not None


def test_a_flood_of_forged_replies_ends_the_ping(wire: Wire) -> None:
    """Sends more of them than the ping looks at, and then the right one: a machine can hide itself so, and no more."""
    assert exchange(wire, *[FORGED["other content"]] * (echo.MOST_HEARD - 1), reply) is not None
    assert exchange(wire, *[FORGED["other content"]] * echo.MOST_HEARD, reply) is None


def test_a_ping_sends_three_requests_and_gives_up(wire: Wire) -> None:
    assert echo.round_trip(wire.names, HUB, MACHINE, BRISK) is None
    sequences = [struct.unpack_from("!H", request_on(wire), 26)[0] for _ in range(echo.REQUESTS)]
    assert sequences == [0, 1, 2]
    with pytest.raises(TimeoutError):
        # Longer than until a fourth request.
        wire.next(2 * BRISK.every_s)


def test_an_organization_without_a_namespace_can_t_be_pinged() -> None:
    with pytest.raises(HubError):
        echo.round_trip(KernelNames("mwabcnowhere00", "mwabcnowhere00"), HUB, MACHINE)
