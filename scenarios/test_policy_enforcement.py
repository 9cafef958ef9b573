"""A denied packet is dropped before it reaches its destination, from the answer of the save on."""

from __future__ import annotations

import random
import socket
import time
from contextlib import closing
from itertools import pairwise

import pytest

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay import drawn, truth, volley
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, Rule
from harness.overlay.tables import Tables
from harness.overlay.truth import PortProtocol
from harness.wire.witness import Marks, Witness
from harness.world.world import World
from netlab import NothingArrived, TcpListener, TcpStream

pytestmark = pytest.mark.claim("policy-enforcement")

SERVICES = (
    PortProtocol("tcp", 22),
    PortProtocol("tcp", 8080),
    PortProtocol("udp", 53),
    PortProtocol("udp", 8080),
    PortProtocol("icmp"),
)
POLICIES = {"quick": 8, "full": 60}
FLIPS = {"quick": 6, "full": 40}
# Packets in each denial, beside those of the stream.
VOLLEYS = {"quick": 600, "full": 900}
_LAST_PORT = 65535


def test_a_denied_machine_hears_nothing(world: World, record: Record, profile: str) -> None:
    """One-way streams flow in both directions; a deny rule stops one of them at once, and only that one."""
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    with (
        world.queues(mumbai, pune) as queues,
        mumbai.stream_to(pune, queues=queues) as forth,
        pune.stream_to(mumbai, queues=queues) as back,
    ):
        with record.control("both streams flow before any rule"):
            forth.flows()
            back.flows()
        for _ in range(FLIPS[profile]):
            forth.stops(mesh.deny(mumbai, pune))
            volley.none_arrives(record, mumbai, pune, VOLLEYS[profile])
            forth.flows(mesh.allow(mumbai, pune))
    record.measure("flips", FLIPS[profile])


def test_a_running_connection_is_cut_with_the_next_packet(world: World, record: Record) -> None:
    """An open TCP connection carries no line in either direction after the answer of a deny rule, and goes on when it
    is allowed again. Of a connection that was at rest, no packet arrives that its opener sends after the answer.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    marks = Marks()
    with (
        TcpListener(pune.host, 0, pune.address) as listener,
        TcpListener(pune.host, 0, pune.address) as of_rested,
        TcpStream(mumbai.host, pune.address, listener.port) as stream,
        closing(mumbai.host.socket(socket.AF_INET, socket.SOCK_STREAM)) as rested,
        Witness(pune.host, pune.tunnel.interface, f"tcp dst port {of_rested.port}") as arrivals,
    ):
        with record.control("the connections carry data before the rule"):
            stream.wait_echo(stream.mark(), 5.0)
            rested.connect((pune.address, of_rested.port))
            rested.sendall(marks.mark(0))
            assert arrivals.wait_for(marks, {0})
        change = mesh.deny(mumbai, pune, protocol="tcp")
        # Where answers are lost and nothing else, the stream fills its window before a late answer of the save. A
        # connection at rest sends at once.
        rested.sendall(marks.mark(1))
        # Ten intervals of the stream: time for more than the kernel's first retransmissions.
        _wait(0.5)
        now = stream.mark()
        arrived = range(stream.sent_by(change.answered_ns), listener.lines_by(now))
        sent = stream.sent_by(now) - stream.sent_by(change.answered_ns)
        record.none_of("lines sent after the answer that arrived", arrived, "data crossed a denied connection", of=sent)
        echoed = stream.echoed_in(change.answered_ns, now)
        record.none_of("echoes of lines sent after the answer", echoed, "answers crossed a denied connection", of=sent)
        mesh.fence(mumbai, pune)
        late = sorted(arrivals.marks(marks))
        record.none_of("packets of a connection at rest", late, "data crossed a denied connection", of=1)
        change = mesh.allow(mumbai, pune, protocol="tcp")
        try:
            record.measure("connection goes on after", stream.wait_echo(change.answered_ns, 10.0), "s")
        except NothingArrived as error:
            raise Refuted("a connection that is allowed again does not go on") from error
        with record.control("the packet that was denied arrives once it is allowed"):
            assert arrivals.wait_for(marks, {1})


def test_every_pair_protocol_and_port_follows_the_policy(world: World, record: Record, profile: str) -> None:
    """Random policies over machines and groups are saved; every pair, protocol and port is compared with a reference
    model.

    A probe counts by its arrival at the destination, and an answer by its arrival at the source. Probed are the borders
    of the rules' ports, all IP protocols, all kinds of ICMP, low source ports, and ICMP errors of other machines.
    """
    mesh = world.organization(record)
    machines = mesh.machines("asha", "bela", "chand", "dev", groups=[["red"], ["red", "blue"], ["blue"], []])
    chance = random.Random(f"policies {world.seed}")
    tables = Tables(mesh, SERVICES, chance)
    allowed = denied = 0
    with record.control("without a rule everything arrives"):
        assert tables.check(machines).denied == 0
    for default in drawn.defaults(chance, POLICIES[profile]):
        mesh.save(default, _random_rules(chance, machines))
        counted = tables.check(machines)
        allowed, denied = allowed + counted.allowed, denied + counted.denied
    mesh.save("deny", [])
    with record.control("with default deny and no rule nothing arrives"):
        assert tables.check(machines).allowed == 0
    mesh.save("allow", [])
    with record.control("with default allow everything arrives again"):
        assert tables.check(machines).denied == 0
    record.measure("policies", POLICIES[profile])
    record.at_least("probes that were allowed", allowed, 500)
    record.at_least("probes that were denied", denied, 500)


def test_a_refused_save_changes_nothing(world: World, record: Record) -> None:
    """A save that is answered with an error leaves the old policy in force, for packets and in answers."""
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    mesh.deny(mumbai, pune)
    before = mesh.api.call("GET", "/policy").body
    bad: list[tuple[int, dict[str, object]]] = [
        (422, {"default": "perhaps", "rules": []}),
        (422, {"default": "allow", "rules": [{"action": "allow", "source": "machine:nobody", "destination": "any"}]}),
        (422, {"default": "allow", "rules": [{**_any_rule(), "protocol": "icmp", "ports": "22"}]}),
        (422, {"default": "allow", "rules": [{**_any_rule(), "protocol": "tcp", "ports": "80-22"}]}),
        (409, {"default": "allow", "rules": [], "version": before["version"] - 1}),
    ]
    with (
        world.queues(mumbai, pune) as queues,
        mumbai.stream_to(pune, queues=queues) as forth,
        pune.stream_to(mumbai, queues=queues) as back,
    ):
        back.flows()
        forth.stops(mesh.save(mesh.default, mesh.rules))
        for status, body in bad:
            answer = mesh.api.send("PUT", "/policy", body)
            if answer.status != status:
                raise Refuted(f"{body} was answered {answer.status}, not {status}")
    after = mesh.api.call("GET", "/policy").body
    if [{**rule, "id": ""} for rule in after["rules"]] != [{**rule, "id": ""} for rule in before["rules"]]:
        raise Refuted("a refused save changed the policy that is shown")
    record.measure("refused saves", len(bad))


def test_a_restored_policy_is_enforced_when_answered(world: World, record: Record, profile: str) -> None:
    """The return to a version with a deny rule stops a stream at once, and the return to one without lets it flow."""
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune")
    with (
        world.queues(mumbai, pune) as queues,
        mumbai.stream_to(pune, queues=queues) as forth,
        pune.stream_to(mumbai, queues=queues) as back,
    ):
        with record.control("both streams flow before any rule"):
            forth.flows()
            back.flows()
        opened = mesh.api.call("GET", "/policy").body["version"]
        forth.stops(mesh.deny(mumbai, pune))
        closed = mesh.api.call("GET", "/policy").body["version"]
        for _ in range(FLIPS[profile]):
            forth.flows(mesh.api.call("POST", "/policy/restore", {"version": opened}))
            forth.stops(mesh.api.call("POST", "/policy/restore", {"version": closed}))
        back.flows()
    record.measure("restored versions", 2 * FLIPS[profile])


def test_the_check_call_equals_the_verdict_on_packets(world: World, record: Record) -> None:
    """`POST /policy/check` gives for each pair the verdict of the rules, without any traffic.

    Some of the rules are drawn. In one policy, rules of either action match the same packets, in both orders.
    """
    mesh = world.organization(record)
    machines = mesh.machines("asha", "bela", groups=[["red"], ["blue"]])
    chance = random.Random(f"checks {world.seed}")
    checks = 0
    for rules in (_contradicting_rules(machines), *(_random_rules(chance, machines) for _ in range(5))):
        mesh.save(chance.choice(["allow", "deny"]), rules)
        for source, destination in (*pairwise(machines), *pairwise(reversed(machines))):
            for service in SERVICES:
                checks += 1
                _compare_check(mesh, truth.CellKey(source, destination, service))
    record.measure("checks", checks)


def _compare_check(mesh: Mesh, cell: truth.CellKey) -> None:
    body: dict[str, object] = {
        "source": f"machine:{cell.source.id}",
        "destination": f"machine:{cell.destination.id}",
        "protocol": cell.service.protocol,
    }
    if cell.service.port is not None:
        body["port"] = cell.service.port
    verdict = mesh.api.call("POST", "/policy/check", body).body["verdict"]
    wanted = "allow" if truth.is_allowed(cell, mesh.default, mesh.rules) else "deny"
    if verdict != wanted:
        raise Refuted(f"{cell}: the service says {verdict}, the policy {wanted}")


def _any_rule() -> Rule:
    return {"action": "allow", "source": "any", "destination": "any"}


def _contradicting_rules(machines: list[Machine]) -> list[Rule]:
    """Returns an allow rule before a deny rule of the same packets for one direction, and after it for the other."""
    ends = [f"machine:{machine.id}" for machine in machines]
    forth = {"source": ends[0], "destination": ends[1]}
    back = {"source": ends[1], "destination": ends[0]}
    allow, deny = {"action": "allow"}, {"action": "deny"}
    return [allow | forth, deny | forth, deny | back, allow | back]


def _random_rules(chance: random.Random, machines: list[Machine]) -> list[Rule]:
    """Draws rules with few and common services, and some whose ports begin and end anywhere."""
    groups, names = ["group:red", "group:blue"], [f"machine:{machine.id}" for machine in machines]
    limits: list[dict[str, str]] = [
        {},
        {"protocol": "tcp"},
        {"protocol": "udp"},
        {"protocol": "icmp"},
        {"protocol": "tcp", "ports": "22"},
        {"protocol": "tcp", "ports": "1-1024,8000-8100"},
        {"protocol": "udp", "ports": "53,8080"},
    ]
    rules = [
        {"action": chance.choice(["allow", "deny"]), **_ends(chance, ["any", *groups, *names]), **chance.choice(limits)}
        for _ in range(chance.randrange(1, 5))
    ]
    with_ranges = [
        {"action": action, **_ends(chance, [*groups, *names]), "protocol": protocol, "ports": _range(chance)}
        for action in ("allow", "deny")
        for protocol in ("tcp", "udp")
    ]
    return chance.sample([*rules, *with_ranges], len(rules) + len(with_ranges))


def _ends(chance: random.Random, ends: list[str]) -> dict[str, str]:
    return {"source": chance.choice(ends), "destination": chance.choice(ends)}


def _range(chance: random.Random) -> str:
    """Draws a range, and with it often a part of itself, which adds nothing."""
    first = chance.randrange(2, _LAST_PORT)
    last = chance.randrange(first, _LAST_PORT)
    inner = sorted(chance.randint(first, last) for _ in range(2))
    return f"{first}-{last}" + chance.choice(("", f",{inner[0]}-{inner[1]}"))


def _wait(seconds: float) -> None:
    """Waits while something must not happen; the time is part of the claim."""
    time.sleep(seconds)
