"""Dozens of allow and deny flips in a row, and every transition lands correctly."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness import outside, packets, truth
from harness.api import Answer
from harness.connection import Connection, repeat_soon
from harness.history import History, Hosts
from harness.mesh import Machine, Mesh, Rule
from harness.outside import Probe
from harness.record import Record
from harness.truth import Cell, Service
from harness.verdicts import Refuted
from harness.witness import Marks, Witness
from harness.world import World

pytestmark = pytest.mark.claim("policy-churn")

FLIPS = {"quick": 30, "full": 300}
# Bytes: more than fit into one packet of the tunnel, and how many of them are in the first of two.
FRAGMENTED, FRAGMENT = 1800, 1200
PROBES = 5
ABSORBED = 9
ECHO, UNREACHABLE = (8, 0), (3, 3)
MOST_MACHINES = 4
# Histories, and steps of each at most.
HISTORIES = {"quick": (3, 8), "full": (15, 25)}
SERVICES = (Service("tcp", 22), Service("tcp", 8080), Service("udp", 53), Service("icmp"))
KINDS = (Service("udp", 9), Service("tcp", 9), Service("icmp"))


def test_every_flip_lands_on_running_connections(world: World, record: Record, profile: str) -> None:
    """Random policies in a row; each is judged by streams and connections that run, in both directions.

    What a flip denies stops with its answer, what it allows goes on, and a stream that it leaves alone loses no packet.
    Pings, fragments, and ICMP errors about a connection, follow in the same moment.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune", groups=[["west"], ["west", "hill"]])
    for machine in (mumbai, pune):
        repeat_soon(machine)
    chance = random.Random(f"flips {world.seed}")
    with ExitStack() as stack:
        ways = [stack.enter_context(Way(mesh, *ends)) for ends in ((mumbai, pune), (pune, mumbai))]
        with record.control("everything passes in both directions before the first flip"):
            for way in ways:
                way.passes()
            _judge_probes(mesh, ways)
        for number in range(FLIPS[profile]):
            default, rules = _another_policy(chance, mesh, (mumbai, pune))
            try:
                answer = mesh.save(default, rules)
                for way in ways:
                    way.follows(answer)
                _judge_probes(mesh, ways)
            except Refuted as refuted:
                raise Refuted(f"flip {number + 1} did not land, default {default} and {rules}: {refuted}") from refuted
        turns = sum(way.turns for way in ways)
        answer = mesh.save("allow", [])
        with record.control("everything passes again after the last flip"):
            for way in ways:
                way.follows(answer)
                way.passes()
    record.measure("flips", FLIPS[profile])
    record.at_least("streams and connections stopped or let go by them", turns, FLIPS[profile])


def test_each_kind_of_change_lands(world: World, record: Record) -> None:
    """Groups, default, keys, machines that leave, come back and come anew: after each step every pair is measured.

    Beside a reference model; and a key that was taken away reaches nobody, whatever has its address since.
    """
    from_red = {"action": "deny", "source": "group:red", "destination": "any"}
    to_blue = {"action": "allow", "source": "any", "destination": "group:blue"}
    with History(world, Hosts(world.client), record, SERVICES) as history:
        for groups in (["red"], ["blue"], []):
            history.add(groups)
        with record.control("with no rule every cell arrives"):
            history.check()
            assert history.denied == 0
        first, second, third = history.machines
        steps: tuple[Callable[[], None], ...] = (
            lambda: history.save("allow", [from_red]),
            lambda: history.regroup(third, ["red"]),
            lambda: history.regroup(first, ["blue"]),
            lambda: history.save("deny", [to_blue, {**from_red, "protocol": "tcp", "ports": "22"}]),
            lambda: history.regroup(second, []),
            lambda: history.reconnect(history.machines[2]),
            lambda: history.rotate(history.machines[0]),
            lambda: history.save("allow", []),
            lambda: history.remove(history.machines[1]),
            lambda: history.add(["red"]),
            lambda: history.save("deny", []),
        )
        for step in steps:
            step()
            history.check()
        record.measure("steps", len(history.steps))
        record.at_least("cells measured", history.cells, 200)
        record.at_least("of them denied", history.denied, 50)


def test_any_history_leaves_what_the_policy_says(world: World, record: Record, profile: str) -> None:
    """Random histories of machines, groups, rules, defaults, keys and reconnections; every pair is measured each time.

    A history that refutes it is told, by the full profile as the shortest one that does; its seed replays it.
    """
    hosts, histories = Hosts(world.client), []

    class Churn(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.history = History(world, hosts, record, SERVICES)
            histories.append(self.history)

        @initialize()
        def begin(self) -> None:
            for groups in (["red"], ["blue"]):
                self.history.add(groups)
            # The probes see both outcomes in every history.
            for default in ("deny", "allow"):
                self.history.save(default, [])
                self.history.check()

        def teardown(self) -> None:
            self.history.__exit__(None, None, None)

        def one(self, number: int) -> Machine:
            return self.history.machines[number % len(self.history.machines)]

        @rule(default=st.sampled_from(["deny", "allow"]), rules=POLICIES)
        def save(self, default: str, rules: list[Drawn]) -> None:
            self.history.save(default, [drawn.rule(self.one) for drawn in rules])

        @rule(number=NUMBERS, groups=GROUPS)
        def regroup(self, number: int, groups: set[str]) -> None:
            self.history.regroup(self.one(number), groups)

        @precondition(lambda self: len(self.history.machines) < MOST_MACHINES)
        @rule(groups=GROUPS)
        def add(self, groups: set[str]) -> None:
            self.history.add(groups)

        @precondition(lambda self: len(self.history.machines) > 2)
        @rule(number=NUMBERS)
        def remove(self, number: int) -> None:
            self.history.remove(self.one(number))

        @rule(number=NUMBERS)
        def rotate(self, number: int) -> None:
            self.history.rotate(self.one(number))

        @rule(number=NUMBERS)
        def reconnect(self, number: int) -> None:
            self.history.reconnect(self.one(number))

        @invariant()
        def is_as_the_policy_says(self) -> None:
            self.history.check()

    examples, steps = HISTORIES[profile]
    # Replaying parts of a history until none can be left out takes minutes; those of a quick run are short anyway.
    phases = (Phase.generate,) if profile == "quick" else (Phase.generate, Phase.shrink)
    run_state_machine_as_test(
        seed(world.seed)(Churn),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=phases,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
    record.measure("histories", len(histories))
    record.measure("steps", sum(len(history.steps) for history in histories))
    record.measure("cells measured", sum(history.cells for history in histories))
    record.at_least("of them denied", sum(history.denied for history in histories), 20)


@dataclass(frozen=True)
class Drawn:
    """A rule before it is known which machines there are: a machine is a number."""

    action: str
    source: str | int
    destination: str | int
    limits: dict[str, str]

    def rule(self, machine: Callable[[int], Machine]) -> Rule:
        """The rule, among these machines."""
        source, destination = (
            end if isinstance(end, str) else f"machine:{machine(end).id}" for end in (self.source, self.destination)
        )
        return {"action": self.action, "source": source, "destination": destination, **self.limits}


NUMBERS = st.integers(0, MOST_MACHINES - 1)
GROUPS = st.sets(st.sampled_from(["red", "blue"]))
_ENDS = st.sampled_from(["any", "group:red", "group:blue"]) | NUMBERS
_LIMITS: list[dict[str, str]] = [
    {},
    {"protocol": "tcp"},
    {"protocol": "udp"},
    {"protocol": "icmp"},
    {"protocol": "tcp", "ports": "22"},
    {"protocol": "udp", "ports": "1-53,8000-8100"},
]
POLICIES = st.lists(
    st.builds(Drawn, st.sampled_from(["deny", "allow"]), _ENDS, _ENDS, st.sampled_from(_LIMITS)), max_size=4
)


class Way:
    """All that runs from one machine to another; leaving ``with`` judges what has to be judged at its end."""

    def __init__(self, mesh: Mesh, source: Machine, destination: Machine) -> None:
        self.turns = 0
        self._mesh = mesh
        self.source, self.destination = source, destination
        self._stack = ExitStack()
        self._marks = Marks()
        self._sent = 0

    def __enter__(self) -> Way:
        enter = self._stack.enter_context
        self._flow = enter(self.source.stream_to(self.destination))
        self._connection = enter(Connection(self.source, self.destination))
        self._at_source = enter(Witness(self.source.host, self.source.tunnel.interface))
        self._at_destination = enter(Witness(self.destination.host, self.destination.tunnel.interface))
        self._passing = dict.fromkeys(KINDS, True)
        # A port that takes what comes, so that no error is about it but those that are sent here.
        absorbing = enter(self.destination.host.socket(socket.AF_INET, socket.SOCK_DGRAM))
        absorbing.bind((self.destination.address, ABSORBED))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]

    def passes(self) -> None:
        """Streams and connections carry what they are given."""
        self._flow.flows()
        self._connection.goes_on()

    def follows(self, change: Answer) -> None:
        """Each of them does what the policy says since this change."""
        before, self._passing = self._passing, {kind: self._is_allowed(kind) for kind in KINDS}
        udp, tcp, _ = KINDS
        if self._passing[udp] is not before[udp]:
            if self._passing[udp]:
                self._flow.flows(change)
            else:
                self._flow.stops(change)
        if self._passing[tcp]:
            self._connection.goes_on(change)
        else:
            self._connection.stops(change)
        self.turns += sum(self._passing[kind] is not before[kind] for kind in (udp, tcp))

    def send_probes(self) -> None:
        """A datagram, one in two fragments, a ping, and an ICMP error about the datagram's connection.

        The error comes from the other end; each fragment has a mark of its own.
        """
        here, there = self.source.address, self.destination.address
        datagram, ping, first, second, error = (self._marks.mark(self._sent + place) for place in range(PROBES))
        self._sent += PROBES
        _send(self.source, there, packets.UDP, packets.udp(here, there, ABSORBED, datagram))
        large = packets.udp(here, there, ABSORBED, first + bytes(FRAGMENTED) + second)
        pieces = packets.fragments(here, there, packets.UDP, large, FRAGMENT)
        outside.send(self.source.host, self.source.tunnel.interface, [Probe("", there, pieces)])
        _send(self.source, there, packets.ICMP, packets.icmp(*ECHO, bytes(4), ping))
        quoted = packets.ipv4(here, there, packets.UDP, packets.udp(here, there, ABSORBED, error))
        _send(self.destination, here, packets.ICMP, packets.icmp(*UNREACHABLE, bytes(4), quoted))

    def judge_probes(self) -> None:
        """What was sent is where it may be, and nowhere else; a fence has passed since. So it is with the connection.

        Raises:
            Refuted: it is not.
        """
        self._connection.holds()
        udp, _, icmp = (self._passing[kind] for kind in KINDS)
        expected = {
            "UDP": udp,
            "ping": icmp,
            "first fragment": udp,
            "second fragment": udp,
            "ICMP error": udp or (None if self._may_err() else False),
        }
        numbers = dict(zip(expected, range(self._sent - PROBES, self._sent), strict=True))
        wanted = {numbers[name] for name, allowed in expected.items() if allowed}
        errors = {numbers["ICMP error"]}
        arrived = errors & self._at_source.wait_for(self._marks, wanted & errors)
        arrived |= self._at_destination.wait_for(self._marks, wanted - errors) - errors
        wrong = [
            f"{name}: {'arrived, though denied' if numbers[name] in arrived else 'did not arrive, though allowed'}"
            for name, allowed in expected.items()
            if allowed is not None and allowed is not (numbers[name] in arrived)
        ]
        if wrong:
            raise Refuted(f"{self.source.name}→{self.destination.name} {', '.join(wrong)}")

    def _may_err(self) -> bool:
        """Whether an error about a connection between the two may pass: unless all is denied, or nothing is allowed."""
        about = Cell(self.source, self.destination, Service("any"))
        speaking = [
            {**rule, "protocol": "any"}
            for rule in self._mesh.rules
            if rule["action"] == "allow" or rule.get("protocol", "any") == "any"
        ]
        return truth.is_allowed(about, self._mesh.default, speaking)

    def _is_allowed(self, kind: Service) -> bool:
        return truth.is_allowed(Cell(self.source, self.destination, kind), self._mesh.default, self._mesh.rules)


def _judge_probes(mesh: Mesh, ways: Sequence[Way]) -> None:
    for way in ways:
        way.send_probes()
    mesh.fence(*(way.source for way in ways))
    for way in ways:
        way.judge_probes()


def _send(source: Machine, destination: str, protocol: int, body: bytes) -> None:
    packet = packets.ipv4(source.address, destination, protocol, body)
    outside.send(source.host, source.tunnel.interface, [Probe("", destination, (packet,))])


def _another_policy(chance: random.Random, mesh: Mesh, machines: Sequence[Machine]) -> tuple[str, list[Rule]]:
    """A policy under which something other passes between the two than under the one in force."""
    cells = [Cell(one, other, kind) for one in machines for other in machines if one is not other for kind in KINDS]
    before = [truth.is_allowed(cell, mesh.default, mesh.rules) for cell in cells]
    while True:
        default, rules = chance.choice(["allow", "deny"]), _rules(chance, machines)
        if [truth.is_allowed(cell, default, rules) for cell in cells] != before:
            return default, rules


def _rules(chance: random.Random, machines: Sequence[Machine]) -> list[Rule]:
    ends = ["any", "group:west", "group:hill", *(f"machine:{machine.id}" for machine in machines)]
    limits: list[dict[str, str]] = [{}, {}, {"protocol": "tcp"}, {"protocol": "udp"}, {"protocol": "icmp"}]
    return [
        {
            "action": chance.choice(["allow", "deny"]),
            "source": chance.choice(ends),
            "destination": chance.choice(ends),
            **chance.choice(limits),
        }
        for _ in range(chance.randrange(4))
    ]
