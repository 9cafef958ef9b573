"""Machines that are added in parallel never get the same overlay address."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import httpx
import pytest

from harness.client.api import Api
from harness.judging.answer import Answer
from harness.judging.record import Record
from harness.judging.verdicts import Inconclusive, Refuted
from harness.overlay.machine import PROBE_DEADLINE, Machine
from harness.overlay.mesh import Mesh
from harness.world.world import World
from netlab import UdpEcho, genkey, pubkey, udp_probe

pytestmark = pytest.mark.claim("concurrent-adds")

CROWD = {"quick": 48, "full": 400, "soak": 4000}
AT_ONCE = 8
SMALL = "192.168.77.0/28"
FREE = 2
"""Machines that the free plan covers."""
PORT = 4000
HOUR = 3600


@dataclass(frozen=True)
class Wanted:
    """A machine that is to be added with a key of its own."""

    name: str
    private_key: str

    @property
    def body(self) -> dict[str, str]:
        """Body of the request."""
        return {"name": self.name, "public_key": pubkey(self.private_key)}


def test_machines_added_at_once_get_an_address_each(world: World, record: Record, profile: str) -> None:
    """Two organizations with the same range add many machines at once. Every machine gets an address of its own, no
    address is left out, the hub's link has each address for its machine alone, and machines are reached at theirs.
    """
    meshes = [world.organization(record, "acme"), world.organization(record, "bolt")]
    wanted = [[Wanted(f"m{number}", genkey()) for number in range(CROWD[profile])] for _ in meshes]
    with ThreadPoolExecutor(len(meshes)) as pool:
        answers = list(pool.map(lambda mesh, crowd: _add_at_once(mesh.api, crowd), meshes, wanted))
    for mesh, given in zip(meshes, answers, strict=True):
        refused = [f"{answer.status} {answer.body}" for answer in given if answer.status != httpx.codes.CREATED]
        record.none_of("refused", refused, "a machine was refused although there was room")
        _check_addresses(record, mesh, [answer.body["machine"]["address"] for answer in given])
        _check_link(world, mesh, given)
    record.measure("machines added at once", sum(map(len, wanted)))
    record.took("a machine added, from request to answer", (answer.seconds for given in answers for answer in given))

    mesh, crowd, given = meshes[0], wanted[0], answers[0]
    chosen = (0, len(crowd) // 2, len(crowd) - 1)
    _check_each_is_reached([_bring_up(mesh, crowd[number], given[number]) for number in chosen], record)


def test_a_small_range_is_used_up_before_addresses_are_reused(world: World, record: Record) -> None:
    """More machines are added at once than a /28 has room for. The range is filled to its last address, and the other
    calls are refused with the reason. The address of a removed machine is not given again for an hour.
    """
    mesh = world.organization(record, network=SMALL)
    room = IPv4Network(SMALL).num_addresses - 3
    crowd = [Wanted(f"m{number}", genkey()) for number in range(room + AT_ONCE)]
    answers = _add_at_once(mesh.api, crowd)
    given = [answer for answer in answers if answer.status == httpx.codes.CREATED]
    _check_addresses(record, mesh, [answer.body["machine"]["address"] for answer in given])
    record.at_least("addresses given out", len(given), room)
    refused = [answer for answer in answers if answer not in given]
    clear = [answer for answer in refused if answer.status == httpx.codes.CONFLICT and SMALL in answer.body["detail"]]
    if len(clear) != AT_ONCE:
        raise Refuted(f"a full range was not reported as full: {[each.body for each in refused if each not in clear]}")

    stays, leaves = (_bring_up(mesh, wanted, answer) for wanted, answer in _added(crowd, answers, given)[:2])
    with record.control("the machine that will be removed is reached before"):
        assert stays.reaches(leaves)
    mesh.api.call("DELETE", f"/machines/{leaves.id}")
    again = _add_at_once(mesh.api, [Wanted(f"late{number}", genkey()) for number in range(AT_ONCE)])
    takers = [each.body["machine"]["address"] for each in again if each.status == httpx.codes.CREATED]
    record.none_of("given again at once", takers, "the address of a removed machine was given again at once")
    waits = {each.headers.get("retry-after", "") for each in again}
    if not all(wait.isdigit() and HOUR - 60 <= int(wait) <= HOUR for wait in waits):
        raise Refuted(f"no answer says when an address becomes free: Retry-After is {waits}")
    if stays.host.ping(leaves.address, timeout=0.5):
        raise Refuted("the address of a removed machine answers")


def test_a_free_plan_covers_two_machines_added_at_once(world: World, record: Record) -> None:
    """Many machines are added at once on the free plan. Two of them are, and the other calls are refused, with the name
    of the plan; a machine that is removed leaves room for one more.
    """
    mesh = world.organization(record)
    mesh.api.call("PATCH", "/organization", {"plan": "free"})
    for wave, room in ((1, FREE), (2, 1)):
        answers = _add_at_once(mesh.api, [Wanted(f"m{wave}-{number}", genkey()) for number in range(AT_ONCE)])
        given = [answer for answer in answers if answer.status == httpx.codes.CREATED]
        clear = [each for each in answers if each not in given and each.status < 500 and "free" in each.body["detail"]]
        if (len(given), len(clear)) != (room, AT_ONCE - room):
            raise Refuted(f"{len(given)} machines were added where the free plan has room for {room}")
        listed = mesh.listed()
        if len(listed) != FREE:
            raise Refuted(f"the free plan covers {FREE} machines, and {len(listed)} are listed")
        mesh.api.call("DELETE", f"/machines/{min(listed)}")
    record.measure("machines added at once", 2 * AT_ONCE)


def _add_at_once(api: Api, crowd: Sequence[Wanted]) -> list[Answer]:
    """Adds machines over `AT_ONCE` connections; returns the answers in the machines' order."""
    begin = threading.Barrier(AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool, ExitStack() as connections:
        apis = [api.duplicate() for _ in range(AT_ONCE)]
        for each in apis:
            connections.callback(each.close)

        def add(start: int) -> list[Answer]:
            begin.wait()
            return [apis[start].send("POST", "/machines", each.body) for each in crowd[start::AT_ONCE]]

        answers = list(pool.map(add, range(AT_ONCE)))
    return [answers[number % AT_ONCE][number // AT_ONCE] for number in range(len(crowd))]


def _check_addresses(record: Record, mesh: Mesh, addresses: Sequence[str]) -> None:
    """Checks that the addresses are the lowest of the range, each given once, and that the list of machines has the
    same.
    """
    twice = [address for address, count in Counter(addresses).items() if count > 1]
    record.none_of("collisions", twice, "addresses were given to two machines")
    network = IPv4Network(mesh.organization["network"])
    lowest = {str(network[2] + number) for number in range(len(addresses))}
    if set(addresses) != lowest or IPv4Address(max(map(IPv4Address, addresses))) >= network.broadcast_address:
        raise Refuted(f"these are not the lowest addresses of {network}: {sorted(set(addresses) ^ lowest)}")
    listed = [machine["address"] for machine in mesh.api.call("GET", "/machines").body["machines"]]
    if sorted(listed) != sorted(addresses):
        raise Refuted(f"the list of machines has other addresses: {sorted(set(listed) ^ set(addresses))}")


def _check_link(world: World, mesh: Mesh, given: Sequence[Answer]) -> None:
    """Checks that the hub's link accepts from each machine its own address and no other."""
    script = 'ip -n "$1" -oneline link | cut -d: -f2 | grep -vw lo | xargs -I@ ip netns exec "$1" wg show @ allowed-ips'
    output = world.subject.host.run("sh", "-ec", script, "sh", _namespace_of(world, mesh)).stdout
    known = dict(re.findall(r"^(\S+)\t(.*)$", output, re.MULTILINE))
    wanted = {each.body["machine"]["public_key"]: f"{each.body['machine']['address']}/32" for each in given}
    if known != wanted:
        raise Refuted(f"the hub's link knows other addresses: {set(known.items()) ^ set(wanted.items())}")


def _namespace_of(world: World, mesh: Mesh) -> str:
    names = [line.split()[0] for line in world.subject.host.run("ip", "netns", "list").stdout.splitlines()]
    own = [name for name in names if name.endswith(mesh.organization["id"])]
    if not own:
        raise Inconclusive("no namespace of the hub's host is the organization's, so its link can't be looked at")
    return own[0]


def _added(crowd: Sequence[Wanted], answers: Sequence[Answer], given: Sequence[Answer]) -> list[tuple[Wanted, Answer]]:
    return [(wanted, answer) for wanted, answer in zip(crowd, answers, strict=True) if answer in given]


def _bring_up(mesh: Mesh, wanted: Wanted, answer: Answer) -> Machine:
    """Brings up a machine whose configuration has its own key in place of the placeholder."""
    lines = answer.body["config"].splitlines(keepends=True)
    own = [f"PrivateKey = {wanted.private_key}\n" if line.startswith("PrivateKey") else line for line in lines]
    return mesh.bring_up(wanted.name, {**answer.body, "config": "".join(own)})


def _check_each_is_reached(machines: Sequence[Machine], record: Record) -> None:
    """Checks that a machine receives what is sent to its address."""
    for destination in machines:
        others = [each for each in machines if each is not destination]
        with UdpEcho(destination.host, PORT) as echo:
            for source in others:
                if udp_probe(source.host, destination.address, PORT, timeout_s=PROBE_DEADLINE) is None:
                    raise Refuted(f"{destination.name} is not reached at {destination.address}")
        record.at_least(f"packets that {destination.name} heard", echo.heard, len(others))
