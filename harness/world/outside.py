"""What lies outside of a mesh: an internet behind the hub that would take, and answer, whatever the hub let out."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack
from ipaddress import IPv4Address
from types import TracebackType

from harness.wire import packets
from harness.wire.packets import ESP, GRE, ICMP, IPIP, TCP, UDP
from harness.wire.raw import Probe
from harness.wire.witness import Marks
from harness.world.world import HUB, OFFICE, World
from netlab import Host

WEB, NAMES, METADATA = "203.0.113.80", "198.51.100.53", "169.254.169.254"
WEB_6 = "2001:db8::80"
_NETWORK_6 = "2001:db8::/64"
# Ranges that a hub's neighbourhood may have: private (RFC 1918), carriers' (RFC 6598), benchmarks' (RFC 2544).
_RANGES = ("10.99.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1")
INTERNET = (WEB, NAMES, METADATA, *_RANGES)
"""Addresses of the one host that plays all of the internet."""
EVERYBODY = ("255.255.255.255", "192.0.2.255", "224.0.0.1", "239.1.2.3")
_ECHO, _REDIRECT, _UNREACHABLE = (8, 0), (5, 1), (3, 1)
_DEADLINE = 5.0


class Outside:
    """The internet of a world, and a hub's host that forwards to it, for as long as ``with`` lasts.

    Attributes:
        internet: the host that has every address of `INTERNET`; the hub's host has its default route there.
        neighbour: a host beside the hub, without a tunnel: what it sends gets there.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._stack = ExitStack()
        self.internet, self.internet_address = world.bare_host()
        self.neighbour = world.client("neighbour")
        self._hub = world.subject.lab_host

    def __enter__(self) -> Outside:
        # Answers are nobody's business here, and an internet that forwards would send packets in circles.
        self.internet.run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv4.icmp_echo_ignore_all=0")
        for address in INTERNET:
            self.internet.netlink.add_address("lo", f"{address}/32")
        self.internet.run("ip", "address", "add", f"{WEB_6}/64", "dev", "eth0", "nodad")
        self.neighbour.run("ip", "address", "add", "2001:db8::9/64", "dev", "eth0", "nodad")
        self.neighbour.route("default", via=self.internet_address)
        before = self._hub.run("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip()
        self._stack.callback(self._hub.run, "sysctl", "-qw", f"net.ipv4.ip_forward={before}")
        self._hub.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._stack.callback(self._hub.run, "ip", "route", "delete", "default", check=False)
        self._hub.route("default", via=self.internet_address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def is_reached_by_hub(self) -> bool:
        """Whether the hub's host itself reaches the internet."""
        return bool(self._hub.ping(WEB, timeout=_DEADLINE))

    def settle(self) -> None:
        """What the hub's host had sent by now to the internet is there when this returns: its own ping comes last."""
        self.is_reached_by_hub()


def probes(source: str, mate: str, hub: str, marks: Marks) -> list[Probe]:
    """Everything that a machine may try to get a packet out of its mesh, each marked with its place in the list.

    Args:
        source: the machine's address, the sender of each.
        mate: a machine that it may speak with.
        hub: where it would ask for a source route.
    """
    made: list[Probe] = []

    def add(name: str, destination: str, protocol: int, body: bytes, **header: int | bytes) -> None:
        packet = packets.ipv4(source, destination, protocol, body, **header)  # type: ignore[arg-type]
        made.append(Probe(name, destination, (packet,)))

    for destination in (*INTERNET, HUB, OFFICE, *EVERYBODY):
        port = 53 if destination == NAMES else 80
        add("UDP", destination, UDP, packets.udp(source, destination, port, marks.mark(len(made))))
        add("TCP", destination, TCP, packets.tcp_syn(source, destination, port, marks.mark(len(made))))
        add("a ping", destination, ICMP, packets.icmp(*_ECHO, bytes(4), marks.mark(len(made))))
    for name, protocol in (("GRE", GRE), ("ESP", ESP)):
        add(name, WEB, protocol, bytes(8) + marks.mark(len(made)))
    inner = packets.ipv4(source, WEB, UDP, packets.udp(source, WEB, 80, marks.mark(len(made))))
    add("a packet within a packet", WEB, IPIP, inner)
    add("TTL 1", WEB, UDP, packets.udp(source, WEB, 80, marks.mark(len(made))), ttl=1)
    add("a DNS query", NAMES, UDP, packets.udp(source, NAMES, 53, _query(marks.mark(len(made)))))
    route = packets.loose_source_route(WEB)
    add("a source route", WEB, UDP, packets.udp(source, WEB, 80, marks.mark(len(made))), options=route)
    body = packets.udp(source, hub, 80, marks.mark(len(made)))
    add("a source route by way of the hub", hub, UDP, body, options=route)
    number = len(made)
    whole = packets.udp(source, WEB, 80, marks.mark(number) + bytes(500) + marks.mark(number))
    made.append(Probe("fragments", WEB, packets.fragments(source, WEB, UDP, whole, 256)))
    quoted = packets.ipv4(mate, source, UDP, packets.udp(mate, source, 80, b""))
    add("an ICMP error", WEB, ICMP, packets.icmp(*_UNREACHABLE, bytes(4), quoted + marks.mark(len(made))))
    gateway = IPv4Address(WEB).packed
    add("an ICMP redirect", WEB, ICMP, packets.icmp(*_REDIRECT, gateway, quoted + marks.mark(len(made))))
    forged = packets.ipv4(source, mate, UDP, packets.udp(source, mate, 80, b""))
    body = packets.icmp(*_REDIRECT, gateway, forged + marks.mark(len(made)))
    add("an ICMP redirect for the mate's address", hub, ICMP, body)
    return made


def send_6(host: Host, link: str, payload: bytes) -> None:
    """Sends UDP over IPv6 to the internet out of one link of a host."""
    host.run("ip", "-6", "route", "replace", _NETWORK_6, "dev", link)
    with host.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sender.sendto(payload, (WEB_6, 80))


def _query(mark: bytes) -> bytes:
    """A question for the address of a name (RFC 1035); a label of it is the mark."""
    head = struct.pack("!HHHHHH", 0x6D77, 0x0100, 1, 0, 0, 0)
    return head + bytes([len(mark)]) + mark + b"\x07example\x00" + struct.pack("!HH", 1, 1)
