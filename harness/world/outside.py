"""Network outside of a mesh: an internet behind the hub that receives whatever the hub forwards to it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, fragment
from scapy.packet import Packet

from harness.wire.raw import SOURCE_PORT
from harness.wire.witness import Marks
from harness.world.world import HUB, OFFICE, World
from netlab import Host

WEB, NAMES, METADATA = "203.0.113.80", "198.51.100.53", "169.254.169.254"
WEB_6 = "2001:db8::80"
_NETWORK_6 = "2001:db8::/64"
# Addresses in ranges near a hub: private (RFC 1918), carriers' (RFC 6598), benchmarks' (RFC 2544).
_RANGES = ("10.99.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1")
INTERNET = (WEB, NAMES, METADATA, *_RANGES)
"""Addresses of the one host that stands for the internet."""
EVERYBODY = ("255.255.255.255", "192.0.2.255", "224.0.0.1", "239.1.2.3")
_FRAGMENT = 272  # bytes of the larger of two fragments
_DEADLINE = 5.0


@dataclass(frozen=True)
class Probe:
    """An attempt to get a packet out of a mesh.

    Attributes:
        name: the attempt in words.
        packets: IPv4 packets to one destination, each with the mark of the attempt's number.
    """

    name: str
    packets: Sequence[Packet]

    @property
    def destination(self) -> str:
        """Address that the packets are sent to."""
        return str(self.packets[0].dst)


class Outside:
    """An internet, and a hub's host that forwards to it, for as long as ``with`` lasts.

    Attributes:
        internet: host that has every address of `INTERNET`; the default route of the hub's host leads to it.
        neighbour: host beside the hub, without a tunnel, that reaches the internet.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._stack = ExitStack()
        self.internet, self.internet_address = world.router()
        self.neighbour = world.client("neighbour")
        self._hub = world.subject.lab_host

    def __enter__(self) -> Outside:
        # The internet must not forward: packets would go in circles.
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
        """Returns True if the hub's host gets an answer to a ping of the internet."""
        return bool(self._hub.ping(WEB, timeout=_DEADLINE))

    def settle(self) -> None:
        """Waits until the internet has received what the hub's host sent so far: a ping follows it and is answered."""
        self.is_reached_by_hub()


def probes(source: str, mate: str, hub: str, marks: Marks) -> list[Probe]:
    """Returns all attempts of a machine to get a packet out of its mesh.

    Args:
        source: address of the machine, the source of all packets.
        mate: address of a machine that it is allowed to reach.
        hub: address of the hub in the mesh.
        marks: marks each packet with its attempt's place in the list.
    """
    made: list[Probe] = []
    udp = UDP(sport=SOURCE_PORT, dport=80)

    def to(destination: str, **header: Any) -> Packet:
        return IP(src=source, dst=destination, **header)

    def mark() -> bytes:
        return marks.mark(len(made))

    def add(name: str, *packets: Packet) -> None:
        made.append(Probe(name, packets))

    for destination in (*INTERNET, HUB, OFFICE, *EVERYBODY):
        port = 53 if destination == NAMES else 80
        add("UDP", to(destination) / UDP(sport=SOURCE_PORT, dport=port) / mark())
        add("TCP", to(destination) / TCP(sport=SOURCE_PORT, dport=port, flags="S") / mark())
        add("a ping", to(destination) / ICMP() / mark())
    for name, protocol in (("GRE", socket.IPPROTO_GRE), ("ESP", socket.IPPROTO_ESP)):
        add(name, to(WEB, proto=protocol) / (bytes(8) + mark()))
    add("a packet within a packet", to(WEB) / to(WEB) / udp / mark())
    add("TTL 1", to(WEB, ttl=1) / udp / mark())
    add("a DNS query", to(NAMES) / UDP(sport=SOURCE_PORT, dport=53) / _query(mark()))
    route = [IPOption_LSRR(routers=[WEB])]
    add("a source route", to(WEB, options=route) / udp / mark())
    add("a source route by way of the hub", to(hub, options=route) / udp / mark())
    whole = to(WEB) / udp / (mark() + bytes(500) + mark())
    add("fragments", *fragment(whole, _FRAGMENT))  # type: ignore[no-untyped-call]
    quoted = bytes(IP(src=mate, dst=source) / udp)
    add("an ICMP error", to(WEB) / ICMP(type=3, code=1) / (quoted + mark()))
    redirect = ICMP(type=5, code=1, gw=WEB)
    add("an ICMP redirect", to(WEB) / redirect / (quoted + mark()))
    add("an ICMP redirect for the mate's address", to(hub) / redirect / (bytes(to(mate) / udp) + mark()))
    return made


def send_ipv6(host: Host, link: str, payload: bytes) -> None:
    """Sends a UDP datagram over IPv6 to the internet by a link of a host."""
    host.run("ip", "-6", "route", "replace", _NETWORK_6, "dev", link)
    with host.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sender.sendto(payload, (WEB_6, 80))


def _query(mark: bytes) -> bytes:
    """Returns a DNS query (RFC 1035) for a name whose first label is the mark."""
    head = struct.pack("!HHHHHH", 0x6D77, 0x0100, 1, 0, 0, 0)
    return head + bytes([len(mark)]) + mark + b"\x07example\x00" + struct.pack("!HH", 1, 1)
