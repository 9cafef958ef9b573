"""ICMP echo (RFC 792, RFC 4443) without a child process.

This file is also a program that needs the standard library only, for hosts that can be reached but not entered:
`python3 -I -S - REQUEST <ping.py`. REQUEST is a `PingRequest` in JSON; it prints a `PingResult` in JSON. Messages are
put together here and not by scapy, since round trips are measured in microseconds and other hosts need not have it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

_ECHO_REQUEST, _ECHO_REPLY, _UNREACHABLE = 8, 0, 3
_ECHO_REQUEST_6, _ECHO_REPLY_6 = 128, 129
_MOST_HELD = 10_000


@dataclass(frozen=True)
class PingRequest:
    """Arguments of `ping`, as the program takes them; see there."""

    address: str
    count: int
    timeout: float
    interval: float
    source: str | None
    size: int


@dataclass(frozen=True)
class PingResult:
    """Result of some echo requests. It counts as True if an answer arrived.

    Attributes:
        sent: number of requests that the kernel took.
        round_trips: seconds from each request to its answer, in order of arrival.
        unreachable: number of ICMP errors that came back for requests (IPv4 only).
        errors: errno of each request that the kernel refused to send, for want of a route or by a local rule.
    """

    sent: int
    round_trips: tuple[float, ...]
    unreachable: int
    errors: tuple[int, ...]

    @property
    def received(self) -> int:
        """Number of answers."""
        return len(self.round_trips)

    def __bool__(self) -> bool:
        return bool(self.round_trips)

    @classmethod
    def from_json(cls, text: str) -> PingResult:
        """Reads the output of this file as a program.

        Args:
            text: the output.
        """
        fields = json.loads(text)
        return cls(fields["sent"], tuple(fields["round_trips"]), fields["unreachable"], tuple(fields["errors"]))


def ping(
    make_socket: Callable[[int, int, int], socket.socket],
    address: str,
    count: int,
    timeout: float,
    interval: float,
    source: str | None,
    size: int,
) -> PingResult:
    """Sends echo requests at a steady pace, and ends once every one is answered or the last one's time is up.

    It needs a raw socket: the kernel closes datagram sockets of ICMP to everybody in a new network namespace (sysctl
    net.ipv4.ping_group_range).

    Args:
        make_socket: maker of sockets in the network that the requests come from, such as `Host.socket`.
        address: a literal IPv4 or IPv6 address.
        count: number of requests.
        timeout: seconds to wait after the last request.
        interval: seconds from request to request.
        source: address to send from; None is the kernel's choice.
        size: bytes of payload, at least 8.

    Returns:
        Answers, errors and round trips.

    Raises:
        OSError: no socket could be had, or it can't send from `source`.
    """
    requests = _Requests(address, size)
    with requests.open_socket(make_socket) as sock:
        sock.setblocking(False)
        # select(2) takes no descriptor above 1023, and a large lab has more.
        answers = select.poll()
        answers.register(sock, select.POLLIN)
        if source is not None:
            sock.bind((source, 0))
        start = time.monotonic()
        last = start + (count - 1) * interval + timeout
        sequence = late = 0
        while sequence < count or not requests.are_answered:
            now = time.monotonic()
            if sequence < count and now >= start + sequence * interval:
                requests.send(sock, sequence)
                sequence += 1
                continue
            until = start + sequence * interval if sequence < count else last
            if answers.poll(max(0.0, until - now) * 1000):
                # What has come by then is read, however late this program comes to look: no more than a socket holds.
                late += now >= last
                if late > _MOST_HELD:
                    break
                packet = sock.recv(65536)
                requests.take(packet, time.monotonic())
            elif now >= last:
                break
    return requests.result


class _Requests:
    """Echo requests to one address, and what came back for them."""

    def __init__(self, address: str, size: int) -> None:
        self._address = address
        self._is_v4 = ipaddress.ip_address(address).version == 4
        self._identity = int.from_bytes(os.urandom(2), "big")
        self._token = os.urandom(8)
        self._payload = self._token + bytes(max(0, size - 8))
        self._sent_at: dict[int, float] = {}
        self._trips: dict[int, float] = {}
        self._errors: list[int] = []
        self._unreachable = 0

    def open_socket(self, make_socket: Callable[[int, int, int], socket.socket]) -> socket.socket:
        """Opens a raw socket for the address's version of IP."""
        if self._is_v4:
            return make_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        return make_socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)

    def send(self, sock: socket.socket, sequence: int) -> None:
        """Sends the request of this number, and keeps the error if the kernel does not take it."""
        kind = _ECHO_REQUEST if self._is_v4 else _ECHO_REQUEST_6
        message = _echo(kind, self._identity, sequence, self._payload)
        at = time.monotonic()
        try:
            sock.sendto(message, (self._address, 0))
        except OSError as error:
            self._errors.append(error.errno or 0)
        else:
            self._sent_at[sequence] = at

    def take(self, packet: bytes, arrived: float) -> None:
        """Counts a packet of the socket if it is about one of the requests: the socket has everybody's messages."""
        # IPv4 raw sockets deliver the IP header too.
        icmp = packet[(packet[0] & 15) * 4 :] if self._is_v4 else packet
        reply = _ECHO_REPLY if self._is_v4 else _ECHO_REPLY_6
        if self._is_v4 and icmp[0] == _UNREACHABLE and _quotes(icmp[8:], self._identity):
            self._unreachable += 1
        elif icmp[0] == reply and icmp[8:16] == self._token:
            answered = struct.unpack_from("!H", icmp, 6)[0]
            if answered in self._sent_at and answered not in self._trips:
                self._trips[answered] = arrived - self._sent_at[answered]

    @property
    def are_answered(self) -> bool:
        """True if something came back for each request that was sent."""
        return len(self._trips) + self._unreachable >= len(self._sent_at)

    @property
    def result(self) -> PingResult:
        """Answers, errors and round trips so far."""
        return PingResult(len(self._sent_at), tuple(self._trips.values()), self._unreachable, tuple(self._errors))


def _echo(kind: int, identity: int, sequence: int, payload: bytes) -> bytes:
    message = struct.pack("!BBHHH", kind, 0, 0, identity, sequence & 0xFFFF) + payload
    # The kernel fills in the checksum of ICMPv6, but not that of ICMP.
    return message[:2] + struct.pack("!H", _checksum(message)) + message[4:]


def _checksum(data: bytes) -> int:
    padded = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _quotes(packet: bytes, identity: int) -> bool:
    """True for an ICMP error that quotes one of our requests."""
    if len(packet) < 28 or packet[9] != socket.IPPROTO_ICMP:
        return False
    kind, quoted = struct.unpack_from("!BxxxH", packet, (packet[0] & 15) * 4)
    return bool(kind == _ECHO_REQUEST and quoted == identity)


if __name__ == "__main__":
    result = ping(socket.socket, **json.loads(sys.argv[1]))
    print(json.dumps(asdict(result)))
