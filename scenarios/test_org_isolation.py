"""No organization can see, reach or observe another's machines or traffic, even with identical address ranges."""

from __future__ import annotations

import socket

import pytest

from harness.mesh import Machine, Mesh
from harness.record import Record
from harness.verdicts import Refuted
from harness.world import World

pytestmark = pytest.mark.claim("org-isolation")

PORT = 4000
PACKETS = 50


def test_twins_never_hear_each_other(world: World, record: Record) -> None:
    """Two organizations with the same range and the same addresses; each sees all of its own packets and no other.

    Every packet says which organization it belongs to, and a capture on each machine's tunnel shows what arrived
    there, whoever it was meant for.
    """
    acme, bolt = world.organization(record, "acme"), world.organization(record, "bolt")
    a1, a2 = acme.machines("one", "two")
    b1, b2 = bolt.machines("one", "two")
    if (a1.address, a2.address) != (b1.address, b2.address):
        raise Refuted("two new organizations with the default range got different addresses")
    everyone = {"acme": (a1, a2), "bolt": (b1, b2)}
    captures = {
        (name, machine.name): machine.host.capture(machine.tunnel.interface, f"udp port {PORT}")
        for name, machines in everyone.items()
        for machine in machines
    }
    for capture in captures.values():
        capture.__enter__()
    for name, (first, second) in everyone.items():
        for source, destination in ((first, second), (second, first)):
            _send(source, destination.address, name)
            # An address of the range that only the other organization has.
            _send(source, "10.100.0.77", name)
    fenced = [_fence(mesh, machines) for mesh, machines in ((acme, (a1, a2)), (bolt, (b1, b2)))]
    own = 0
    for (name, machine_name), capture in captures.items():
        capture.stop()
        heard = [packet.payload for packet in capture.packets()]
        record.none_of(
            f"{name}/{machine_name}: packets of the other organization",
            [payload for payload in heard if not payload.startswith(name.encode())],
            f"{name}'s machine {machine_name} saw another organization's packets",
        )
        own += len(heard)
    if not all(fenced):
        raise Refuted("a machine lost its hub while another organization used the same addresses")
    record.at_least("own packets seen by the captures", own, len(captures) * PACKETS, "packets")


def test_a_machine_reaches_its_own_twin_only(world: World, record: Record) -> None:
    """An address that exists in both organizations always means the own one, and one that exists there alone none."""
    acme, bolt = world.organization(record, "acme"), world.organization(record, "bolt")
    a1, a2 = acme.machines("one", "two")
    *_, b3 = bolt.machines("one", "two", "three")
    with record.control("the third machine is there, for its own organization"):
        assert b3.host.ping(bolt.hub_address, timeout=5.0)
    with record.control("an address that both have answers"):
        assert a1.reaches(a2)
    if a1.host.ping(b3.address, count=3, timeout=1.0, interval=0.02):
        raise Refuted(f"a machine of acme reached {b3.address}, which only bolt has")
    bolt.save("deny", [])
    if not a1.reaches(a2):
        raise Refuted("one organization's deny stopped another's traffic")
    record.measure("pings to the other organization's machine answered", 0, "pings", limit=0)


def test_no_call_tells_of_another_organization(world: World, record: Record) -> None:
    """Every call that takes an id answers 404 for another organization's, and no list has it."""
    acme, bolt = world.organization(record, "acme"), world.organization(record, "bolt")
    (machine,) = bolt.machines("secret-server")
    own = acme.api.call("POST", "/machines", {"name": "own"}).body["machine"]
    rule = bolt.api.call(
        "POST", "/policy/rules", {"action": "deny", "source": f"machine:{machine.id}", "destination": "any"}
    ).body
    with record.control("the same calls answer for the own machine"):
        assert acme.api.send("GET", f"/machines/{own['id']}").status == 200
    attempts = [
        ("GET", f"/machines/{machine.id}", None),
        ("PATCH", f"/machines/{machine.id}", {"name": "taken"}),
        ("POST", f"/machines/{machine.id}/rotate", {}),
        ("DELETE", f"/machines/{machine.id}", None),
        ("DELETE", f"/policy/rules/{rule['id']}", None),
    ]
    told = [
        f"{method} {path} was answered {status}"
        for method, path, body in attempts
        if (status := acme.api.send(method, path, body).status) != 404
    ]
    record.none_of("calls that knew another organization's ids", told, "a call knew another organization's id")
    refused = acme.api.send("PUT", "/policy", {"default": "allow", "rules": [_rule_about(machine)]})
    if refused.status != 422:
        raise Refuted(f"a rule about another organization's machine was answered {refused.status}")
    for path in ("/machines", "/policy", "/audit", "/usage", "/organization"):
        text = str(acme.api.call("GET", path).body)
        if machine.id in text or "secret-server" in text or rule["id"] in text:
            raise Refuted(f"GET {path} tells of another organization: {text}")
    if not machine.host.ping(bolt.hub_address, timeout=5.0):
        raise Refuted("the other organization's machine lost its tunnel")


def _send(source: Machine, address: str, text: str) -> None:
    with source.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(PACKETS):
            sender.sendto(f"{text} {number}".encode(), (address, PORT))


def _fence(mesh: Mesh, machines: tuple[Machine, ...]) -> bool:
    """A tunnel keeps its packets in order, so what the hub passed on has arrived when it answers afterwards."""
    return all(bool(machine.host.ping(mesh.hub_address, timeout=5.0)) for _ in range(2) for machine in machines)


def _rule_about(machine: Machine) -> dict[str, str]:
    return {"action": "deny", "source": f"machine:{machine.id}", "destination": "any"}
