"""Pings of machines from the hub, past the rules, which stay as they are.

A packet socket on the organization's link sends echo requests and hears the replies before the rules drop them, as
everything that is addressed to the hub. So nothing needs to be opened for a ping, and nothing of it is tracked. The
socket gets no other packet: a filter in the kernel lets only echo replies of this machine to this ping through.
"""

from __future__ import annotations

import ctypes
import errno
import secrets
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from appliance.hub.errors import LinkError, reason
from appliance.hub.kernel import namespace
from appliance.hub.names import KernelNames
from appliance.hub.plane import packets

REQUESTS = 3
MOST_HEARD = 100
"""Packets that a ping looks at. The machine can send any number that only look like replies to it."""

_ETH_P_IP = 0x0800
_SO_ATTACH_FILTER = 26
_TOKEN_BYTES = 16
_LONGEST_PACKET = 256

# <linux/bpf_common.h>
_LOAD_BYTE, _LOAD_HALF, _LOAD_WORD = 0x30, 0x28, 0x20
_LOAD_BYTE_AT_X, _LOAD_HALF_AT_X, _X_IS_HEADER_LENGTH = 0x50, 0x48, 0xB1
_JUMP_IF_EQUAL, _JUMP_IF_SET, _RETURN = 0x15, 0x45, 0x06


@dataclass(frozen=True)
class PingTiming:
    """Times of a ping.

    Attributes:
        every_s: seconds from one request to the next.
        longest_s: longest time for all requests and the wait for the first reply; seconds.
    """

    every_s: float
    longest_s: float


USUAL = PingTiming(every_s=0.5, longest_s=2.0)


@dataclass(frozen=True)
class _Ping:
    """Numbers of one ping, which nobody can guess.

    Attributes:
        payload: content of its packets.
    """

    hub: IPv4Address
    machine: IPv4Address
    identifier: int
    payload: bytes

    def request(self, sequence: int) -> bytes:
        """Encode an echo request with its IP header."""
        body = packets.echo(packets.ECHO_REQUEST, self.identifier, sequence, self.payload)
        return packets.ip(self.hub, self.machine, socket.IPPROTO_ICMP, body)

    def sequence_of(self, packet: bytes) -> int | None:
        """Read the sequence number of an echo reply that the filter let through; None if it is not to this ping."""
        body = packet[(packet[0] & 0xF) * 4 :]
        if len(body) < packets.ECHO_HEADER.size or body[packets.ECHO_HEADER.size :] != self.payload:
            return None
        return int(packets.ECHO_HEADER.unpack_from(body)[4])


def round_trip(names: KernelNames, hub: IPv4Address, machine: IPv4Address, timing: PingTiming = USUAL) -> float | None:
    """Ping a machine and return the seconds until its first reply; None if it did not reply in time.

    Args:
        hub: the sender's address.
        timing: times of the requests and of the end.

    Raises:
        LinkError: the packets could not be sent.
        NamespaceError: the organization has no namespace.
    """
    ping = _Ping(hub, machine, secrets.randbelow(2**16), secrets.token_bytes(_TOKEN_BYTES))
    try:
        with namespace.entered(names.namespace):
            # A socket of no protocol hears nothing until it is bound; then its filter is there.
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0)
        with opened:
            _attach_filter(opened, ping)
            opened.bind((names.link, _ETH_P_IP))
            return _exchanged(opened, names.link, ping, timing)
    except OSError as error:
        raise LinkError(f"the machine can't be pinged: {reason(error)}") from error


def _exchanged(opened: socket.socket, link: str, ping: _Ping, timing: PingTiming) -> float | None:
    begun, heard = time.monotonic(), 0
    sent: list[float] = []
    while heard < MOST_HEARD and (now := time.monotonic()) < begun + timing.longest_s:
        if len(sent) < REQUESTS and now >= begun + timing.every_s * len(sent):
            _send(opened, link, ping.request(len(sent)))
            sent.append(now)
        pause = timing.every_s * len(sent) if len(sent) < REQUESTS else timing.longest_s
        opened.settimeout(max(0.001, begun + pause - time.monotonic()))
        try:
            packet = opened.recv(_LONGEST_PACKET)
        except TimeoutError:
            continue
        heard += 1
        sequence = ping.sequence_of(packet)
        if sequence is not None and sequence < len(sent):
            return time.monotonic() - sent[sequence]
    return None


def _send(opened: socket.socket, link: str, packet: bytes) -> None:
    try:
        opened.sendto(packet, (link, _ETH_P_IP))
    except OSError as error:
        # The kernel's WireGuard refuses packets to a machine that it never heard from.
        if error.errno != errno.EDESTADDRREQ:
            raise


def _attach_filter(opened: socket.socket, ping: _Ping) -> None:
    """Make the socket drop everything but the machine's echo replies to this ping. Source: socket(7)."""
    checks = (
        # Fragments have no ICMP header to look at.
        (_LOAD_HALF, 6, _JUMP_IF_SET, 0x1FFF),
        (_LOAD_BYTE, 9, _JUMP_IF_EQUAL, socket.IPPROTO_ICMP),
        (_LOAD_WORD, 12, _JUMP_IF_EQUAL, int(ping.machine)),
        (_LOAD_WORD, 16, _JUMP_IF_EQUAL, int(ping.hub)),
        (_LOAD_BYTE_AT_X, 0, _JUMP_IF_EQUAL, packets.ECHO_REPLY),
        (_LOAD_HALF_AT_X, 4, _JUMP_IF_EQUAL, ping.identifier),
    )
    program = [_instruction(_X_IS_HEADER_LENGTH, 0)]
    for number, (load, place, jump, wanted) in enumerate(checks, 1):
        # Past the later checks and the return that lets the packet through.
        to_end = 2 * (len(checks) - number) + 1
        program.append(_instruction(load, place))
        if jump == _JUMP_IF_EQUAL:
            program.append(_instruction(_JUMP_IF_EQUAL, wanted, otherwise=to_end))
        else:
            program.append(_instruction(_JUMP_IF_SET, wanted, then=to_end))
    program += [_instruction(_RETURN, _LONGEST_PACKET), _instruction(_RETURN, 0)]
    code = b"".join(program)
    buffer = ctypes.create_string_buffer(code, len(code))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer)))


def _instruction(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """Encode an instruction of the filter (struct sock_filter in <linux/filter.h>)."""
    return struct.pack("=HBBI", code, then, otherwise, value)
