"""Packets that an attacker on the internet can send."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import time
from collections.abc import Iterable
from itertools import count

from appliance.hub.front_door.datagram import Arrival, checksum, packet
from appliance.hub.front_door.initiation import Recognizer
from netlab import Host, genkey
from tests.appliance.hub.front_door.world import HUB4, PORT, Organization, World
from tests.waiting import DEADLINE

Source = tuple[str, int]


def initiation(public_key: str | None = None) -> bytes:
    """Makes a message with an initiation's type and length; only mac1 is valid, if a public key is given."""
    signed = struct.pack("<I", 1) + os.urandom(112)
    mac1 = Recognizer(public_key).mac1(signed) if public_key else os.urandom(16)
    return signed + mac1 + bytes(16)


def send(
    host: Host, datagrams: Iterable[bytes], *, port: int = PORT, source: Source | None = None, to: str = HUB4
) -> int:
    """Sends datagrams to the hub, from the host's own address or any other; returns the number that the kernel took."""
    sent = 0
    if source is None:
        with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for each in datagrams:
                sock.sendto(each, (to, port))
                sent += 1
        return sent
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        for each in datagrams:
            sock.sendto(packet(Arrival(4, each, source, to, 0), port), (to, 0))
            sent += 1
    return sent


def send_from(host: Host, datagrams: Iterable[tuple[Source, bytes]], to: str = HUB4, port: int = PORT) -> float:
    """Sends each datagram to the hub from a source of its own, of either family; returns the seconds that it took."""
    version = 6 if ":" in to else 4
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    # Made before they are sent, so that a slow processor floods as well.
    packets = [packet(Arrival(version, each, source, to, 0), port) for source, each in datagrams]
    with host.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        began = time.monotonic()
        for each in packets:
            sock.sendto(each, (to, 0))
        return time.monotonic() - began


def message(kind: int, *, sender: bytes = b"", receiver: bytes = b"") -> bytes:
    """Makes a WireGuard message with the given session indices and random other fields."""
    lengths = {1: 148, 2: 92, 3: 64, 4: 64}
    words = struct.pack("<I", kind) + sender + receiver
    return words + os.urandom(lengths[kind] - len(words))


def answer_to(first_message: bytes, *, sender: bytes = b"") -> bytes:
    """Makes an answer to an initiation, with the given session index or a random one, and random other fields."""
    return message(2, sender=sender or os.urandom(4), receiver=first_message[4:8])


def send_from_everywhere(host: Host, datagrams: Iterable[bytes]) -> float:
    """Sends each datagram to the hub from a different source; returns the seconds that it took."""
    sources = ((f"198.18.{number >> 8 & 255}.{number & 255}", 1024 + number % 60000) for number in count())
    return send_from(host, zip(sources, datagrams, strict=False))


def fresh_initiation(world: World, organization: Organization, number: int) -> bytes:
    """Makes a valid initiation of a member of the organization, which the hub has never seen."""
    sink = world.host(number)
    with sink.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE)
        sock.bind(("", PORT))
        member = world.machine(organization, number + 1, f"192.0.2.{number}")
        data = sock.recv(2048)
        member.tunnel.down()
    return data


def numbered(count: int, kind: int, length: int) -> Iterable[bytes]:
    """Makes messages of a WireGuard type with random other fields (not cryptographically so)."""
    state = hashlib.blake2b(genkey().encode()).digest()
    for number in range(count):
        body = hashlib.shake_128(state + number.to_bytes(8, "big")).digest(length - 4)
        yield struct.pack("<I", kind) + body


def frag_needed(host: Host, address: str, port: int, mtu: int) -> None:
    """Tells the hub that a packet from its public port to this address and port was too big (RFC 1191)."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1500, 0, 0x4000, 64, 17, 0, *map(socket.inet_aton, (HUB4, address)))
    quoted = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:] + struct.pack("!HHHH", PORT, port, 1480, 0)
    body = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.sendto(body[:2] + checksum(body).to_bytes(2, "big") + body[4:], (HUB4, 0))
