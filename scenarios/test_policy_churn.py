"""Dozens of policy changes follow each other, and each takes effect correctly."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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

from harness.judging.record import Record
from harness.judging.verdicts import Refuted
from harness.overlay import truth
from harness.overlay.connection import repeat_soon
from harness.overlay.machine import Machine
from harness.overlay.mesh import Mesh, Rule
from harness.overlay.traffic import KINDS, Traffic
from harness.overlay.truth import CellKey, PortProtocol
from harness.world.history import History, HostPool
from harness.world.world import World

pytestmark = pytest.mark.claim("policy-churn")

FLIPS = {"quick": 30, "full": 300}
PARTS = 3
"""Parts of the flips, each with its own streams and connections. Losses are judged at the end of a part."""

FEWEST_MACHINES, MOST_MACHINES = 2, 4
# Number of histories, and most steps of each.
HISTORIES = {"quick": (3, 8), "full": (15, 25)}
# Seconds between the packets of two streams together.
CANARY_INTERVAL_S = 0.001
SERVICES = (PortProtocol("tcp", 22), PortProtocol("tcp", 8080), PortProtocol("udp", 53), PortProtocol("icmp"))


def test_each_change_takes_effect_on_running_connections(world: World, record: Record, profile: str) -> None:
    """Random policies follow each other; running streams and connections in both directions judge each.

    Traffic that a change denies stops with its answer, traffic that it allows goes on, and a stream that it does not
    concern loses no packet, unless the machine was busy: those of a stream through a bare WireGuard hub waited as well,
    or a full queue dropped them whose WireGuard had no processor. Pings, fragments, and ICMP errors about a connection
    follow at the same moment.
    """
    mesh = world.organization(record)
    mumbai, pune = mesh.machines("mumbai", "pune", groups=[["west"], ["west", "hill"]])
    for machine in (mumbai, pune):
        repeat_soon(machine)
    chance = random.Random(f"flips {world.seed}")
    flips = 0
    with (
        world.queues(mumbai, pune) as queues,
        world.canary(mumbai, pune, record, CANARY_INTERVAL_S) as canary,
    ):
        for part in range(PARTS):
            numbers = range(part * FLIPS[profile] // PARTS, (part + 1) * FLIPS[profile] // PARTS)
            with (
                Traffic(mesh, mumbai, pune, canary=canary, queues=queues) as there,
                Traffic(mesh, pune, mumbai, canary=canary, queues=queues) as back,
            ):
                flips += _flip(mesh, record, (there, back), chance, numbers)
    record.measure("flips", FLIPS[profile])
    record.at_least("streams and connections that they stopped or allowed", flips, FLIPS[profile])


def _flip(mesh: Mesh, record: Record, both_ways: Sequence[Traffic], chance: random.Random, numbers: range) -> int:
    """Flips policies beside new traffic; returns the number of streams and connections that they stopped or allowed."""
    machines = [traffic.source for traffic in both_ways]
    with record.control(f"everything passes in both directions before flip {numbers.start + 1}"):
        for traffic in both_ways:
            traffic.passes()
        _judge_probes(mesh, both_ways)
    for number in numbers:
        default, rules = _another_policy(chance, mesh, machines)
        try:
            answer = mesh.save(default, rules)
            for traffic in both_ways:
                traffic.follows(answer)
            _judge_probes(mesh, both_ways)
        except Refuted as refuted:
            raise Refuted(f"flip {number + 1} did not land, default {default} and {rules}: {refuted}") from refuted
    flips = sum(traffic.flips for traffic in both_ways)
    answer = mesh.save("allow", [])
    with record.control(f"everything passes again after flip {numbers.stop}"):
        for traffic in both_ways:
            traffic.follows(answer)
            traffic.passes()
    return flips


def test_each_kind_of_change_takes_effect(world: World, record: Record) -> None:
    """Groups, default and keys change, machines leave, come back, are disabled, enabled and added again, and the
    organization is suspended and resumed; after each step every pair is measured, and machines, rules and the audit
    trail are shown as the steps have made them.

    A reference model judges the results. A key that was replaced reaches nothing, whoever has its address now. From the
    answer on, no packet of a disabled machine or a suspended organization passes, and none to it; nobody of the
    organization signs in or calls. The hub tracks no connection any more that such a machine, or an old key, opened.
    Enabled and resumed, they have what the policy says by then. The address of a machine that was removed is not given
    again.
    """
    from_red = {"action": "deny", "source": "group:red", "destination": "any"}
    to_blue = {"action": "allow", "source": "any", "destination": "group:blue"}
    with History(world, HostPool(world.client), record, SERVICES) as history:
        for groups in (["red"], ["blue"], []):
            history.add(groups)
        history.check_shown()
        with record.control("without a rule every cell arrives"):
            history.check()
            assert history.denied == 0
        third = history.machines[2]
        # About what no other rule says, and saved while the machine is disabled.
        to_third = {"action": "deny", "source": "any", "destination": f"machine:{third.id}", "protocol": "tcp"}
        suspension = (history.suspend, history.resume) if history.can_be_suspended else ()
        steps: tuple[Callable[[], None], ...] = (
            lambda: history.save("allow", [from_red]),
            lambda: history.regroup(third, ["red"]),
            lambda: history.remove(history.machines[1]),
            lambda: history.add(["blue"]),
            lambda: history.disable(history.machines[1]),
            lambda: history.save("allow", [from_red, to_third]),
            lambda: history.rotate(history.disabled[0]),
            lambda: history.enable(history.disabled[0]),
            *suspension,
            lambda: history.disable(history.machines[2]),
            lambda: history.remove(history.disabled[0]),
            history.add,
            lambda: history.regroup(history.machines[0], ["blue"]),
            lambda: history.rename(history.machines[0]),
            lambda: history.save("deny", [to_blue, {**from_red, "protocol": "tcp", "ports": "22"}]),
            lambda: history.regroup(history.machines[1], []),
            lambda: history.reconnect(history.machines[2]),
            lambda: history.rotate(history.machines[0]),
            lambda: history.save("allow", []),
            lambda: history.save("deny", []),
        )
        for step in steps:
            step()
            history.check()
        record.measure("steps", len(history.steps))
        record.measure("the operator suspends", history.can_be_suspended)
        record.at_least("probes that were allowed", history.allowed, 200)
        record.at_least("probes that were denied", history.denied, 200)
        record.at_least("pings of what is out of service, and to it", history.silenced, 20)
        # Where the operator's commands can be given, the hub's host can be looked at, too.
        ended = "connections that ended with their machine or its key"
        record.at_least(ended, history.forgotten, 10 if history.can_be_suspended else 0)


def test_any_history_of_changes_ends_as_the_policy_says(world: World, record: Record, profile: str) -> None:
    """Random histories of machines that come, go, and are disabled and enabled, of groups, rules, defaults, keys,
    reconnections and suspensions; every pair is measured after each step.

    A history that refutes the claim is reported, by the full profile in its shortest form; its seed repeats it.
    """
    hosts, histories = HostPool(world.client), []

    class Churn(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.history = History(world, hosts, record, SERVICES)
            histories.append(self.history)

        @initialize()
        def begin(self) -> None:
            for groups in (["red"], ["blue"], ["red", "blue"]):
                self.history.add(groups)
            # Controls: the probes see both outcomes in every history.
            for default in ("deny", "allow"):
                self.history.save(default, [])
                self.history.check()

        def teardown(self) -> None:
            self.history.__exit__(None, None, None)

        def one(self, number: int) -> Machine:
            return self.history.machines[number % len(self.history.machines)]

        def enabled_or_not(self, number: int) -> Machine:
            both = [*self.history.machines, *self.history.disabled]
            return both[number % len(both)]

        @serving()
        @rule(default=st.sampled_from(["deny", "allow"]), rules=POLICIES)
        def save(self, default: str, rules: list[Drawn]) -> None:
            self.history.save(default, [drawn.rule(self.enabled_or_not) for drawn in rules])

        @serving()
        @rule(number=NUMBERS, groups=GROUPS)
        def regroup(self, number: int, groups: set[str]) -> None:
            self.history.regroup(self.enabled_or_not(number), groups)

        @serving()
        @rule(number=NUMBERS)
        def rename(self, number: int) -> None:
            self.history.rename(self.enabled_or_not(number))

        @serving(lambda history: len(history.machines) + len(history.disabled) < MOST_MACHINES)
        @rule(groups=GROUPS)
        def add(self, groups: set[str]) -> None:
            self.history.add(groups)

        @serving(lambda history: bool(removable(history)))
        @rule(number=NUMBERS)
        def remove(self, number: int) -> None:
            found = removable(self.history)
            self.history.remove(found[number % len(found)])

        @serving()
        @rule(number=NUMBERS)
        def rotate(self, number: int) -> None:
            self.history.rotate(self.enabled_or_not(number))

        @serving()
        @rule(number=NUMBERS)
        def reconnect(self, number: int) -> None:
            self.history.reconnect(self.one(number))

        @serving(lambda history: len(history.machines) > FEWEST_MACHINES)
        @rule(number=NUMBERS)
        def disable(self, number: int) -> None:
            self.history.disable(self.one(number))

        @serving(lambda history: bool(history.disabled))
        @rule(number=NUMBERS)
        def enable(self, number: int) -> None:
            self.history.enable(self.history.disabled[number % len(self.history.disabled)])

        # Once in a history, since it takes two starts of a program where the lab has threads.
        @serving(lambda history: history.can_be_suspended and not history.was_suspended)
        @rule()
        def suspend(self) -> None:
            self.history.suspend()

        @precondition(lambda self: self.history.is_suspended)
        @rule()
        def resume(self) -> None:
            self.history.resume()

        @invariant()
        def is_as_the_policy_says(self) -> None:
            self.history.check()

    examples, steps = HISTORIES[profile]
    # Shrinking takes minutes, and histories of a quick run are short anyway.
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
    record.measure(
        "pings of what is out of service, and to it", sum(history.silenced for history in histories), "packets"
    )
    record.at_least("probes that were allowed", sum(history.allowed for history in histories), 200)
    record.at_least("probes that were denied", sum(history.denied for history in histories), 200)


def removable(history: History) -> Sequence[Machine]:
    """Returns the machines that can be removed; enough have to stay for a table."""
    return [*history.disabled, *(history.machines if len(history.machines) > FEWEST_MACHINES else ())]


def serving(also: Callable[[History], bool] = lambda _: True) -> Callable[[Any], Any]:
    """Makes the precondition of a step that nobody can take in a suspended organization."""
    return precondition(lambda self: not self.history.is_suspended and also(self.history))


@dataclass(frozen=True)
class Drawn:
    """A rule in which machines are numbers, drawn before the machines exist."""

    action: str
    source: str | int
    destination: str | int
    limits: dict[str, str]

    def rule(self, machine: Callable[[int], Machine]) -> Rule:
        """Returns the rule with the ids of machines."""
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


def _judge_probes(mesh: Mesh, both_ways: Sequence[Traffic]) -> None:
    for traffic in both_ways:
        traffic.send_probes()
    mesh.fence(*(traffic.source for traffic in both_ways))
    for traffic in both_ways:
        traffic.judge_probes()


def _another_policy(chance: random.Random, mesh: Mesh, machines: Sequence[Machine]) -> tuple[str, list[Rule]]:
    """Draws a policy under which other traffic passes between the two machines than under the present one."""
    cells = [CellKey(one, other, kind) for one in machines for other in machines if one is not other for kind in KINDS]
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
