"""The hub forwards only between machines of one organization; nothing outside is reachable through it."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Packet

from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh
from harness.subject.service import PORT
from harness.wire import raw
from harness.wire.witness import Frame, Marks, Witness
from harness.world import outside
from harness.world.outside import EVERYBODY, INTERNET, WEB, Outside
from harness.world.world import HUB, World
from netlab import Host, TcpListener, UdpEcho, tcp_probe, udp_probe, wg_quick
from reports.exhibits import Cell

pytestmark = pytest.mark.claim("no-egress")

PINGS = 3
ROUNDS = {"quick": 120, "full": 600}
_AT_ONCE = 40
"""Packets that are sent in a row: no more than fit into a tunnel's smallest buffer."""
_FROM_OUTSIDE = 40
# Ports that a hub might have open: shell, DNS, web, metrics, the service's own, WireGuard's.
HUB_PORTS = (22, 53, 80, 123, 443, 2019, 8080, PORT, 9090, 20000, 20001, 32767, 51820)


@pytest.mark.conditions(outside="IPv4")
def test_no_packet_leaves_the_mesh(world: World, record: Record, profile: str) -> None:
    """A machine sends more than fifty kinds of packets to destinations outside of the mesh, again and again; witnesses
    in the internet and on the hub's host see none.

    The hub's host is given every opportunity: it forwards, and has a route to an internet that accepts everything.
    """
    mesh = world.organization(record)
    roamer, mate = mesh.machines("roamer", "mate")
    roamer.accept_all_addresses()
    with (
        Outside(world) as beyond,
        Witness(beyond.internet) as internet,
        Witness(world.subject.lab_host) as hub_host,
        Witness(mate.host, mate.tunnel.interface) as at_mate,
    ):
        neighbours, tries = Marks(), Marks()
        own = outside.probes(_address(beyond), _address(beyond), HUB, neighbours)
        with record.control("the internet and the hub's host see the same packets from a neighbour of the hub"):
            raw.send(beyond.neighbour, "eth0", [packet for probe in own for packet in probe.packets])
            outside.send_ipv6(beyond.neighbour, "eth0", neighbours.mark(len(own)))
            reachable = {number for number, probe in enumerate(own) if probe.destination in (*INTERNET, *EVERYBODY)}
            reachable.add(len(own))
            assert reachable <= internet.wait_for(neighbours, reachable)
            local = {number for number, probe in enumerate(own) if probe.destination == HUB}
            assert local <= hub_host.wait_for(neighbours, local)
        with record.control("the hub's host reaches the internet"):
            assert beyond.is_reached_by_hub()
        hearing = Marks()
        with record.control("a mate in the mesh receives a packet that is sent in the same way"):
            raw.send(roamer.host, roamer.tunnel.interface, [_to(roamer, mate, hearing)])
            assert {0} <= at_mate.wait_for(hearing, {0})

        before = _received(mesh, roamer)
        tried = outside.probes(roamer.address, mate.address, mesh.hub_address, tries)
        sent = [packet for probe in tried for packet in probe.packets]
        _send_6(roamer, tries.mark(len(tried)))
        seen: dict[str, set[int]] = {"the internet": set(), "the hub's host": set()}
        everything = [bytes(packet) for packet in sent] * ROUNDS[profile]
        for first in range(0, len(everything), _AT_ONCE):
            raw.send(roamer.host, roamer.tunnel.interface, everything[first : first + _AT_ONCE])
            roamer.fence()
            seen["the hub's host"] |= hub_host.marks(tries)
        mesh.fence(roamer)
        beyond.settle()
        seen["the internet"] |= internet.marks(tries)
        seen["the hub's host"] |= hub_host.marks(tries)
        names = [*(f"{probe.name} to {probe.destination}" for probe in tried), f"UDP to {outside.WEB_6}"]
        kinds = [*(probe.name for probe in tried), "UDP over IPv6"]
        record.table("whatever a machine sends to elsewhere stays in the mesh", _table(kinds, seen))
        record.none_of(
            "packets that reached the internet",
            [names[number] for number in sorted(seen["the internet"])],
            "packets left the mesh for the internet",
            of=len(everything),
        )
        record.none_of(
            "packets that reached the hub's own host",
            [names[number] for number in sorted(seen["the hub's host"])],
            "packets left the mesh for the hub's own host",
            of=len(everything),
        )
        with record.control("the hub received the packets"):
            assert _received(mesh, roamer) - before >= sum(map(len, everything))
        with record.control("the mate is still reached in the same way"):
            raw.send(roamer.host, roamer.tunnel.interface, [_to(roamer, mate, hearing)])
            assert {0} <= at_mate.wait_for(hearing, {0})
    record.at_least("attempts", len(names), 50)


@pytest.mark.conditions(outside="IPv4", loss="none")
def test_a_machine_that_routes_all_to_the_hub_reaches_nothing(world: World, record: Record) -> None:
    """A machine sends all its traffic to the hub (AllowedIPs 0.0.0.0/0); web pages, name servers and pings stay
    unreachable.

    Without the tunnel the same machine reaches all of them, before and after.
    """
    mesh = world.organization(record)
    added = mesh.add("roamer")
    (mate,) = mesh.machines("mate")
    with Outside(world) as beyond, TcpListener(beyond.internet, 80) as web, UdpEcho(beyond.internet, 53) as names:
        roamer = world.client("roamer")
        roamer.route("default", via=beyond.internet_address)
        with record.control("without the tunnel it reaches pages, name servers and pings"):
            assert _has_page(roamer)
            assert udp_probe(roamer, outside.NAMES, 53, 5.0)
            assert roamer.ping(WEB, timeout=5.0)
        accepted, heard = web.accepted, names.heard
        text = added["config"].replace("AllowedIPs          = 10.100.0.0/16", "AllowedIPs = 0.0.0.0/0")
        with wg_quick(roamer, text, "mesh.conf"):
            with record.control("through the tunnel it reaches its mate"):
                assert roamer.ping(mate.address, timeout=10.0)
            with roamer.socket(socket.AF_INET, socket.SOCK_STREAM) as page:
                page.setblocking(False)
                page.connect_ex((WEB, 80))
                with roamer.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
                    question.sendto(b"?", (outside.NAMES, 53))
                pinged = roamer.ping(WEB, count=5, timeout=0.5, interval=0.02)
                for _ in range(PINGS):
                    if not roamer.ping(mesh.hub_address, timeout=5.0):
                        raise Refuted("a machine that sends everything to the hub lost its hub")
                beyond.settle()
            reached = [
                *(["a page"] if web.accepted > accepted else []),
                *(["a name server"] if names.heard > heard else []),
                *(["a ping"] if pinged else []),
            ]
            record.none_of(
                "destinations reached through the hub", reached, "the internet was reached through the hub", of=3
            )
        with record.control("without the tunnel it reaches them again"):
            assert _has_page(roamer)
            assert udp_probe(roamer, outside.NAMES, 53, 5.0)


def _has_page(host: Host) -> bool:
    """Returns True if a web page answers; its listener has counted the connection then."""
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as page:
        page.settimeout(5.0)
        try:
            page.connect((WEB, 80))
            page.sendall(b"?")
            return page.recv(1) == b"?"
        except OSError:
            return False


@pytest.mark.conditions(outside="IPv4")
def test_the_hub_answers_pings_and_nothing_else(world: World, record: Record) -> None:
    """The hub's address in the mesh answers pings and nothing else: no port, no other protocol, not even with an error.

    Through the tunnel the hub's public address and its loopback don't answer either.
    """
    mesh = world.organization(record)
    (machine,) = mesh.machines("machine")
    machine.accept_all_addresses()
    marks = Marks()
    with _listening(world) as listening, Witness(machine.host, machine.tunnel.interface) as witness:
        with record.control("the hub's host answers on its public address, over the underlay"):
            assert tcp_probe(machine.host, HUB, listening, 5.0)
        tried = [
            IP(src=machine.address, dst=destination) / body
            for destination in (mesh.hub_address, HUB, "127.0.0.1")
            for port in (*HUB_PORTS, listening)
            for body in (
                TCP(sport=raw.SOURCE_PORT, dport=port, flags="S"),
                UDP(sport=raw.SOURCE_PORT, dport=port) / marks.mark(port),
            )
        ]
        mesh.fence(machine)
        answered = [frame for frame in witness.frames() if _is_from(frame, mesh.hub_address)]
        record.at_least("answered pings that the witness saw", len(answered), PINGS)
        raw.send(machine.host, machine.tunnel.interface, tried)
        mesh.fence(machine)
        other = [
            IP(frame.data).summary()
            for frame in witness.frames()
            if not _is_from(frame, machine.address) and not raw.is_echo_reply(frame.data)
        ]
    record.none_of("other answers", other, "the hub answered something other than a ping", of=len(tried))


@pytest.mark.conditions(outside="IPv4")
def test_nobody_outside_reaches_a_machine(world: World, record: Record) -> None:
    """A host beside the hub routes the overlay network to it; none of its packets arrives in the mesh.

    The machine would accept them: its own WireGuard takes packets from all addresses.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    pune.accept_all_addresses()
    marks = Marks()
    with (
        Outside(world) as beyond,
        Witness(pune.host, pune.tunnel.interface) as at_pune,
        Witness(world.subject.lab_host) as hub_host,
    ):
        beyond.neighbour.route(mesh.organization["network"], via=HUB)
        with beyond.neighbour.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(_FROM_OUTSIDE):
                sender.sendto(marks.mark(number), (pune.address, 80))
        with record.control("the hub's host received them"):
            sent = set(range(_FROM_OUTSIDE))
            assert sent <= hub_host.wait_for(marks, sent)
        mesh.fence(mumbai, pune)
        arrived = at_pune.marks(marks)
        record.none_of(
            "packets from outside",
            sorted(arrived),
            "packets from outside of the mesh reached a machine",
            of=_FROM_OUTSIDE,
        )
        with record.control("packets of a mate do arrive"):
            raw.send(mumbai.host, mumbai.tunnel.interface, [_to(mumbai, pune, marks)])
            assert {0} <= at_pune.wait_for(marks, {0})


def _table(kinds: Sequence[str], seen: Mapping[str, Collection[int]]) -> dict[tuple[str, str, str], Cell]:
    """Returns the number of attempts of each kind that each witness saw; its mark is its index in ``kinds``."""
    return {
        (kind, "outside of the mesh", f"seen in {location}"): Cell(
            False, kinds.count(kind), sum(kinds[number] == kind for number in marks)
        )
        for location, marks in seen.items()
        for kind in kinds
    }


def _to(source: Machine, mate: Machine, marks: Marks) -> Packet:
    return IP(src=source.address, dst=mate.address) / UDP(sport=raw.SOURCE_PORT, dport=80) / marks.mark(0)


def _send_6(machine: Machine, payload: bytes) -> None:
    link = machine.tunnel.interface
    machine.host.run("ip", "address", "add", "fd00:6d77::2/64", "dev", link, "nodad")
    outside.send_ipv6(machine.host, link, payload)


def _address(beyond: Outside) -> str:
    return next(iter(address.partition("/")[0] for address in beyond.neighbour.addresses("eth0")))


def _received(mesh: Mesh, machine: Machine) -> int:
    """Returns the bytes that the hub has received from a machine, by its own count."""
    return int(mesh.api.call("GET", f"/machines/{machine.id}").body["received_bytes"])


@contextmanager
def _listening(world: World) -> Iterator[int]:
    """Yields a port on which all addresses of the hub's host are listened on; the service's port if the host is not
    ours.
    """
    try:
        host = world.subject.lab_host
    except Inconclusive:
        yield PORT
        return
    with TcpListener(host) as listener:
        yield listener.port


def _is_from(frame: Frame, address: str) -> bool:
    return bool(IP(frame.data).src == address)
