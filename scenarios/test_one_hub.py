"""All traffic between an organization's machines passes the hub; machines need not discover each other."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import permutations

import pytest
from scapy.layers.inet import UDP

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay.mesh import HANDSHAKE_DEADLINE, Mesh
from harness.overlay.outage import ENOUGH, HealthStream
from harness.wire import underlay
from harness.wire.underlay import Leg
from harness.world.home import behind_a_router
from harness.world.world import HUB, World
from netlab import Capture, LabHost

pytestmark = pytest.mark.claim("one-hub")

INTERVAL = 0.002
PINGS = {"quick": 50, "full": 500}
STOPPED_S = {"quick": 0.5, "full": 10.0}
# IP packets of whole blocks of 16 bytes are as long with an implementation that does not pad (boringtun).
_PAYLOADS = (196, 404)
"""Bytes; the length tells one organization's pings from the other's and from everything else."""

_BACK_DEADLINE = 60.0
"""Seconds for all organizations of the run to recover on an emulated processor; the claim promises no time."""

_APART = "198.18.7"
"""Networks of RFC 2544 and RFC 1918 that only the hub and one machine are on."""


@pytest.mark.conditions(reorder="none")
def test_every_message_passes_the_hub(world: World, record: Record, profile: str) -> None:
    """Two organizations ping at once. Captures on every link account for each message: from a machine to the hub's one
    port, and from there to the other machine. Machines send and receive nothing else.
    """
    meshes = [world.organization(record, name) for name in ("acme", "bolt")]
    pairs = [mesh.machines("mumbai", "pune") for mesh in meshes]
    machines = [machine for pair in pairs for machine in pair]
    port = _port(world, meshes)
    addresses, hub = {machine.underlay_address for machine in machines}, world.subject.address
    hosts = [world.subject.lab_host, *(machine.host for machine in machines)]
    with ExitStack() as stack:
        captures = [stack.enter_context(Capture(host, "eth0")) for host in hosts]
        for (mumbai, pune), payload in zip(pairs, _PAYLOADS, strict=True):
            if lost := sum(
                not mumbai.host.ping(pune.address, timeout=5.0, size=payload) for _ in range(PINGS[profile])
            ):
                raise Refuted(f"{lost} pings between machines of one organization lost")
        seen = [capture.packets() for capture in captures]
        with record.control("a packet that goes directly is seen, on both machines' links"):
            (mumbai, pune), *_ = pairs
            assert mumbai.host.ping(pune.underlay_address)
            for host, capture in zip(hosts, captures, strict=True):
                direct = underlay.direct(capture.packets(), addresses)
                assert bool(direct) or host not in (mumbai.host, pune.host)
    for (mumbai, pune), payload in zip(pairs, _PAYLOADS, strict=True):
        expected = Counter(
            {
                Leg(source, destination, port): PINGS[profile]
                for machine in (mumbai.underlay_address, pune.underlay_address)
                for source, destination in ((machine, hub), (hub, machine))
            }
        )
        length = underlay.ping_message_length(payload)
        found = underlay.messages(seen[0], hub, length)
        if found != expected:
            raise Refuted(f"the hub's link has {dict(found)}, and {dict(expected)} were sent")
        for machine in (mumbai, pune):
            at_home = underlay.messages(seen[hosts.index(machine.host)], hub, length)
            address = machine.underlay_address
            own = Counter({leg: n for leg, n in expected.items() if address in (leg.source, leg.destination)})
            if at_home != own:
                raise Refuted(f"the link of {machine.name} has {dict(at_home)}, and {dict(own)} were expected")
    record.measure("messages accounted for at the hub", 4 * PINGS[profile] * len(pairs))
    everything = [packet for packets in seen for packet in packets]
    record.none_of(
        "packets of machines past the hub's port",
        underlay.past_the_hub(everything, addresses, hub, port),
        "machines exchanged packets with something else than the hub's port",
        of=len(everything),
    )
    record.none_of(
        "packets from machine to machine",
        underlay.direct(everything, addresses),
        "machines spoke directly",
        of=len(everything),
    )


def test_a_configuration_names_nothing_but_the_hub(world: World, record: Record) -> None:
    """Every machine of every organization has one peer with one and the same endpoint, the hub. A machine never learns
    another address, even while others are online.
    """
    meshes = [world.organization(record, name) for name in ("acme", "bolt")]
    port = _port(world, meshes)
    machines = [machine for mesh in meshes for machine in mesh.machines("mumbai", "pune", "kolkata")]
    others = []
    for machine in machines:
        lines = machine.config.splitlines()
        if lines.count("[Peer]") != 1:
            raise Refuted(f"the configuration of {machine.name} has {lines.count('[Peer]')} peers")
        # Addresses of the machine and the hub, and the overlay's range.
        known = {machine.address, world.subject.endpoint_host, "10.100.0.0"}
        others += [f"{machine.name}: {each}" for each in _addresses_in(machine.config) if each not in known]
        endpoints = [line.partition("=")[2].strip() for line in lines if line.startswith("Endpoint")]
        if endpoints != [f"{world.subject.endpoint_host}:{port}"]:
            raise Refuted(f"the configuration of {machine.name} names {endpoints}, not the hub alone, port {port}")
    record.none_of("other addresses in configurations", others, "a configuration names another address")
    for mesh in range(len(meshes)):
        for source, destination in permutations(machines[3 * mesh : 3 * mesh + 3], 2):
            if not source.reaches(destination):
                raise Refuted(f"{source.name} does not reach {destination.name}")
    peers = [(peer.endpoint, peer.allowed_ips) for machine in machines for peer in machine.tunnel.peers()]
    peer = world.subject.peer_of(str(meshes[0].organization["endpoint"]))
    if peers != [(peer, ("10.100.0.0/16",))] * len(machines):
        raise Refuted(f"machines know other peers than the hub: {peers}")
    record.measure("configurations read", len(machines))
    with record.control("an address of a mate would be noticed"):
        other = _addresses_in(f"Endpoint = {machines[1].underlay_address}")
        assert set(other) - {machines[0].address, world.subject.address}


@pytest.mark.conditions(outside="IPv4")
def test_machines_without_a_direct_path_talk_through_the_hub(world: World, record: Record) -> None:
    """One machine is on a network that only the hub shares, another behind a router with NAT. Packets between them pass
    the hub alone, by its policy.
    """
    mesh = world.organization(record)
    apart, home = _alone_with_the_hub(world, "apart"), behind_a_router(world, "home")
    mumbai = mesh.bring_up("mumbai", mesh.add("mumbai"), host=apart)
    pune = mesh.bring_up("pune", mesh.add("pune"), host=home.host)
    with record.control("the hub's host does not forward, and outside the tunnels neither machine reaches the other"):
        assert world.subject.lab_host.run("sysctl", "-n", "net.ipv4.ip_forward").stdout == "0\n"
        assert apart.ping(HUB)
        assert home.host.ping(HUB)
        assert not apart.ping(home.own_address, timeout=0.3)
        assert not home.host.ping(f"{_APART}.2", timeout=0.3)
    with (
        world.queues(mumbai, pune) as queues,
        mumbai.stream_to(pune, queues=queues) as forth,
        pune.stream_to(mumbai, queues=queues) as back,
    ):
        forth.flows()
        back.flows()
        forth.stops(mesh.deny(mumbai, pune))
        forth.flows(mesh.allow(mumbai, pune))
    record.measure("pings through the hub", pune.host.ping(mumbai.address, 20, 5.0, 0.005).received)


@pytest.mark.restarts
def test_a_stopped_hub_stops_everything(world: World, record: Record, profile: str) -> None:
    """With the service stopped no packet gets from machine to machine, and no machine tries it directly. After the
    start the hub works as before.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    addresses = {mumbai.underlay_address, pune.underlay_address}
    with ExitStack() as stack:
        queues = stack.enter_context(world.queues(mumbai, pune))
        streams = [
            stack.enter_context(HealthStream(source, destination, record, INTERVAL * world.patience, queues=queues))
            for source, destination in ((mumbai, pune), (pune, mumbai))
        ]
        captures = [stack.enter_context(Capture(machine.host, "eth0")) for machine in (mumbai, pune)]
        with record.control("both streams arrive while the hub runs"):
            for stream in streams:
                stream.wait_until_whole(HANDSHAKE_DEADLINE)
        for stream in streams:
            stream.expect_loss()
        with world.subject.stopped():
            until = time.monotonic() + STOPPED_S[profile]
            delivered = counted = 0
            while time.monotonic() < until:
                delivered += sum(stream.count_delivered(_BACK_DEADLINE) for stream in streams)
                # Each waits for at least as many.
                counted += ENOUGH * len(streams)
            record.none_of(
                "packets delivered with the hub stopped",
                range(delivered),
                "packets were delivered with no hub",
                of=counted,
            )
            direct_packets = [
                packet for capture in captures for packet in underlay.direct(capture.packets(), addresses)
            ]
            record.none_of("packets from machine to machine", direct_packets, "machines spoke directly")
        for stream in streams:
            stream.wait_until_whole(_BACK_DEADLINE)


@pytest.mark.conditions(outside="IPv4", loss="none")
def test_a_machine_that_moves_stays_connected(world: World, record: Record) -> None:
    """A machine's underlay address changes without notice; it is reached again after one handshake at most."""
    mesh = world.organization(record)
    road = behind_a_router(world, "road")
    mumbai = mesh.bring_up("mumbai", mesh.add("mumbai"), host=road.host)
    pune = mesh.machine("pune")
    with record.control("both talk before the move"):
        assert mumbai.reaches(pune)
        assert pune.reaches(mumbai)
    now = world.free_address()
    with Capture(world.subject.lab_host, "eth0") as capture:
        road.router.run("ip", "address", "flush", "dev", "eth0")
        road.router.run("ip", "address", "add", f"{now}/24", "dev", "eth0")
        start = time.monotonic()
        if not mumbai.reaches(pune, HANDSHAKE_DEADLINE):
            raise Refuted(f"a machine that moved reaches nobody for {HANDSHAKE_DEADLINE:.0f} s")
        record.measure("reaches others again after", time.monotonic() - start, "s", limit=f"<= {HANDSHAKE_DEADLINE}")
        if not pune.reaches(mumbai):
            raise Refuted("a machine that moved is not reached")
        packets = capture.packets()
    handshakes = underlay.initiations(packets, now)
    record.measure("handshakes that were needed", handshakes, limit=1)
    if handshakes > 1:
        raise Refuted(f"{handshakes} handshakes were begun from the new address")
    with record.control("it sends from the new address, not from the old one"):
        assert any(packet.payload.src == now for packet in packets if UDP in packet)
        assert not any(packet.payload.src == road.address for packet in packets if UDP in packet)


def _port(world: World, meshes: Sequence[Mesh]) -> int:
    """Returns the hub's public port.

    Raises:
        Refuted: organizations have different ports, or another host.
    """
    endpoints = {str(mesh.organization["endpoint"]) for mesh in meshes}
    if len(endpoints) != 1 or not (only := min(endpoints)).startswith(f"{world.subject.endpoint_host}:"):
        raise Refuted(f"organizations have different hubs: {sorted(endpoints)}")
    return int(only.rpartition(":")[2])


def _addresses_in(text: str) -> list[str]:
    return re.findall(r"\b\d+\.\d+\.\d+\.\d+\b|\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}", text)


def _alone_with_the_hub(world: World, name: str) -> LabHost:
    """Makes a host on a network that only the hub shares."""
    switch, host = world.lab.switch(name), world.lab.host(name)
    world.lab.connect(world.subject.lab_host, switch, f"{_APART}.1/24")
    world.lab.connect(host, switch, f"{_APART}.2/24")
    host.route("default", via=f"{_APART}.1")
    return host
