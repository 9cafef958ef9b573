"""New connections in a real kernel: a rate for each machine, and machines that may open no more for now."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from appliance.hub.kernel import nft
from appliance.hub.kernel.generation import Ledger
from appliance.hub.plane.enforcement import Enforcement
from appliance.hub.ruleset import FULL, PACED, FullMachines
from appliance.model.desired import Desired
from appliance.model.policy import Action, Policy
from tests.appliance.hub.ruled import Kernel, members, rule, state_of
from tests.appliance.hub.wire import HUB, Flow, ip

FIRST, SECOND, THIRD = members(3)
EVERYTHING = state_of((FIRST, SECOND, THIRD), Policy(Action.ALLOW))
BURST = 2048


class Refusing:
    """Rules in a namespace, where machines can be told to open nothing."""

    def __init__(self, kernel: Kernel, ledger: Ledger) -> None:
        self.kernel = kernel
        self.wire = kernel.wire
        self.enforcement = Enforcement(ledger)

    def enforce(self, desired: Desired) -> None:
        self.enforcement.enforce(self.wire.names, desired)

    def refuse(self, full: FullMachines) -> None:
        self.enforcement.refuse(self.wire.names, full)

    def refused(self, name: str = FULL) -> int:
        """Returns the number of packets that a bound or a rate dropped."""
        return nft.counters(self.wire.names.namespace)[name].packets


@pytest.fixture
def refusing(kernel: Kernel, ledger: Ledger) -> Refusing:
    """Provides three machines that may open any connection."""
    made = Refusing(kernel, ledger)
    made.enforce(EVERYTHING)
    return made


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp", "gre"])
def test_a_machine_at_its_bound_keeps_its_connections(refusing: Refusing, protocol: str) -> None:
    """Opens connections of other machines, also to this one."""
    wire = refusing.wire
    running = Flow(FIRST.address, SECOND.address, protocol, 22, 1)
    one_way = Flow(FIRST.address, THIRD.address, protocol, 22, 2)
    assert wire.passes(running.opening())
    assert wire.passes(running.reply())
    assert wire.passes(one_way.opening())
    refusing.refuse(FullMachines(frozenset({FIRST.address})))
    new = Flow(FIRST.address, IPv4Address("10.100.0.9"), protocol, 22, 3)
    assert not wire.passes(new.opening())
    assert refusing.refused() == 1
    for packet in (running.opening(), running.reply(), running.error(), one_way.opening(), one_way.error()):
        assert wire.passes(packet)
    for other in (Flow(SECOND.address, THIRD.address, protocol, 9, 4), Flow(THIRD.address, FIRST.address, "udp", 9, 5)):
        assert wire.passes(other.opening())
        assert wire.passes(other.reply())
    refusing.refuse(FullMachines())
    assert wire.passes(new.opening())


def test_an_organization_at_its_bound_can_still_ping_the_hub(refusing: Refusing) -> None:
    wire = refusing.wire
    running = Flow(FIRST.address, SECOND.address, "udp", 53, 1)
    assert wire.passes(running.opening())
    refusing.refuse(FullMachines(everybody=True))
    assert not wire.passes(Flow(SECOND.address, THIRD.address, "udp", 53, 2).opening())
    assert wire.passes(running.going_on())
    ping = Flow(FIRST.address, HUB, "icmp", own_port=77)
    assert [packet[20] for packet in wire.answers(ping.opening())] == [0]


def test_a_bound_stays_in_force_over_saves_and_damage(refusing: Refusing) -> None:
    refusing.refuse(FullMachines(frozenset({FIRST.address})))
    denied = rule("d", Action.DENY, SECOND, THIRD)
    refusing.enforce(replace(EVERYTHING, policy=Policy(Action.ALLOW, (denied,))))
    assert not refusing.wire.passes(Flow(FIRST.address, SECOND.address, "udp", 1, 1).opening())
    before = refusing.refused()
    refusing.kernel.rulesets.load(refusing.wire.names.namespace, "flush ruleset")
    refusing.enforce(EVERYTHING)
    assert not refusing.wire.passes(Flow(FIRST.address, SECOND.address, "udp", 2, 2).opening())
    assert refusing.wire.passes(Flow(SECOND.address, FIRST.address, "udp", 3, 3).opening())
    assert before == 1


def test_pings_of_the_hub_are_no_connections(refusing: Refusing) -> None:
    """Sends pings of any number and identifier, whole or in fragments, which are not tracked."""
    pings = [Flow(FIRST.address, HUB, "icmp", own_port=number) for number in range(300)]
    answered = refusing.wire.answers(*(ping.opening() for ping in pings))
    assert len(answered) == 300
    assert refusing.kernel.tracked() == 0


def test_each_machine_has_its_own_rate_of_new_connections(refusing: Refusing) -> None:
    """Counts neither packets of open connections nor packets that the policy denies."""
    denied = rule("d", Action.DENY, FIRST, THIRD)
    refusing.enforce(replace(EVERYTHING, policy=Policy(Action.ALLOW, (denied,))))
    wire = refusing.wire
    running = Flow(FIRST.address, SECOND.address, "udp", 1, 1)
    assert wire.passes(running.opening())
    repeated = [ip(FIRST.address, SECOND.address, "udp", running.opening()[20:], ttl=ttl) for ttl in range(2, 64)]
    for _ in range(2 * BURST // len(repeated)):
        wire.answers(*repeated)
    assert wire.passing(Flow(FIRST.address, THIRD.address, "udp", 9, n).opening() for n in range(2 * BURST)) == set()
    assert refusing.refused(PACED) == 0
    flood = [Flow(FIRST.address, SECOND.address, "udp", 2 + number % 8, 1000 + number) for number in range(12 * BURST)]
    passed = wire.passing(flow.opening() for flow in flood)
    assert BURST <= len(passed) < len(flood)
    assert refusing.refused(PACED) == len(flood) - len(passed)
    assert wire.passes(Flow(SECOND.address, FIRST.address, "udp", 9, 9).opening())
    assert wire.passes(running.opening())
