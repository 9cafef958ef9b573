"""Program that opens TCP connections of a machine with itself through its tunnel.

It needs root and the standard library only. Packets are put together by hand: scapy takes some tenths of a millisecond
for each, more than thousands of connections a second leave.

The packets pass the hub, which sees a whole TCP handshake (RFC 9293, section 3.5) and tracks the connection for as long
as one may be idle.

The argument is a JSON object with ``address`` (the machine's overlay address), ``link`` (its tunnel's interface),
``rate`` (connections per second), ``ready_after`` (connections) and ``seconds``. After that many connections the
program prints `READY`, and at its end a JSON object: ``connections`` counts those that it tried to open.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from types import FrameType

READY = "opening"
PACKETS = 3
"""Packets of a connection that is opened."""
_FIRST_PORT, _PORTS = 1024, 64512
_SYN, _SYN_ACK, _ACK = 0x02, 0x12, 0x10
_TCP, _ETH_P_IP = 6, 0x0800
_AT_ONCE = 10


def ports(number: int) -> tuple[int, int]:
    """Returns the ports of a connection: no pair comes twice, in either order, within 66 million connections."""
    return _FIRST_PORT + number % _PORTS, 1 + number // _PORTS % (_FIRST_PORT - 1)


def handshake(address: str, number: int) -> tuple[bytes, bytes, bytes]:
    """Returns the three packets that open a connection of an address with itself."""
    packed = socket.inet_aton(address)
    here, there = ports(number)
    return (
        _packet(packed, here, there, 1, 0, _SYN),
        _packet(packed, there, here, 1, 2, _SYN_ACK),
        _packet(packed, here, there, 2, 2, _ACK),
    )


def _packet(address: bytes, source: int, destination: int, sequence: int, acknowledged: int, flags: int) -> bytes:
    segment = struct.pack("!HHIIBBHHH", source, destination, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0)
    pseudo = address + address + struct.pack("!HH", _TCP, len(segment))
    segment = segment[:16] + struct.pack("!H", _checksum(pseudo + segment)) + segment[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, _TCP, 0) + address + address
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + segment


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def main(options: dict[str, object]) -> None:
    """Opens connections until the time is over or SIGTERM arrives."""
    ended = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGTERM, end)
    address, rate = str(options["address"]), float(str(options["rate"]))
    began, until = time.monotonic(), time.monotonic() + float(str(options["seconds"]))
    number, ready_after = 0, int(str(options["ready_after"]))
    # Sends into the tunnel directly: the host's routes lead to itself.
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((str(options["link"]), _ETH_P_IP))
        while not ended and time.monotonic() < until:
            for _ in range(_AT_ONCE):
                for packet in handshake(address, number):
                    # The tunnel's queue may be full.
                    with suppress(OSError):
                        sender.send(packet)
                number += 1
            if number // _AT_ONCE == -(-ready_after // _AT_ONCE):
                print(READY, flush=True)
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
    print(json.dumps({"connections": number}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
