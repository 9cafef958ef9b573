"""Bounds of the number of connections, and refusals at a bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hub.errors import Occupied
from appliance.hub.kernel.generation import Ledger
from appliance.hub.kernel.tracking import ConnectionCounts, count_by_opener, host_limit
from appliance.hub.plane.bounds import (
    ENOUGH_FOR_THE_HOST,
    MACHINE,
    ORGANIZATION,
    ConnectionBounds,
    full_machines,
    is_full,
)
from appliance.hub.plane.connection_watch import ConnectionWatch
from appliance.hub.plane.enforcement import Enforcement
from appliance.hub.ruleset import FULL, NONE_FULL, PACED, FullMachines
from appliance.model.policy import Action, Policy
from tests.appliance.clocks import Clock
from tests.appliance.hub.ruled import Kernel, members, state_of
from tests.appliance.hub.wire import Flow

A, B, C = (IPv4Address("10.100.0.2") + number for number in range(3))
SMALL = ConnectionBounds(machine=100, organization=300, everybody=600)
FIRST, SECOND, THIRD = members(3)


@given(st.integers(0, 10**7))
def test_the_bounds_of_connections_are_nested(limit: int) -> None:
    bounds = ConnectionBounds.of(limit)
    assert bounds.machine * 4 <= max(bounds.organization, 4 * bounds.machine)
    assert bounds.machine <= MACHINE
    assert bounds.organization <= min(ORGANIZATION, bounds.everybody) or limit < 4
    assert (bounds.machine, bounds.organization) == (MACHINE, ORGANIZATION) or limit < ENOUGH_FOR_THE_HOST


@given(st.lists(st.integers(0, 10_000), max_size=40), st.integers(0, 50_000), st.integers(0, 9_000))
def test_organizations_at_their_level_fit_into_the_host(counts: list[int], room: int, organization: int) -> None:
    """Fills the host up to the level: no organization with few connections is refused."""
    level = ConnectionBounds(0, organization, room).level(counts)
    assert level <= organization
    if level < organization:
        assert sum(min(count, level) for count in counts) <= room
        # One more for each would be too many.
        assert sum(min(count, level + 1) for count in counts) > room - len(counts)
        assert level >= room // len(counts)


def test_hostile_organizations_leave_ordinary_ones_alone() -> None:
    """Adds 25 organizations that open all they can to a hundred with few connections, with the usual host limit."""
    bounds = ConnectionBounds.of(262_144)
    level = bounds.level([*[ORGANIZATION] * 25, *[200] * 100])
    assert 200 < 5_000 < level < ORGANIZATION
    assert 25 * level + 100 * 200 <= bounds.everybody


def test_a_full_machine_stays_full_until_an_eighth_is_free() -> None:
    assert [is_full(count, 800, was_full=False) for count in (799, 800)] == [False, True]
    assert [is_full(count, 800, was_full=True) for count in (699, 700, 799)] == [False, True, True]
    assert full_machines({A: 800, B: 799, C: 701}, 800, {C}) == {A, C}


@dataclass
class FakePlane:
    """Organizations on paper.

    Attributes:
        connections: by organization and machine.
        refusals: changes of what is refused, in order.
        listed: whose connections were listed, in order.
        is_busy: True while connections can't be listed.
        is_changing: True while nothing can be changed.
    """

    connections: dict[str, dict[IPv4Address, int]]
    refusals: list[tuple[str, FullMachines]] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    is_busy: bool = False
    is_changing: bool = False
    in_force: dict[str, FullMachines] = field(default_factory=dict)

    def tracked(self) -> Mapping[str, int]:
        return {name: sum(machines.values()) for name, machines in self.connections.items()}

    def openers(self, organization: str) -> Mapping[IPv4Address, int]:
        if self.is_busy:
            raise Occupied("busy")
        self.listed.append(organization)
        return self.connections[organization]

    def refuse(self, organization: str, full: FullMachines) -> None:
        if self.is_changing:
            raise Occupied("changing")
        if full != self.in_force.get(organization, NONE_FULL):
            self.refusals.append((organization, full))
        self.in_force[organization] = full

    def refused(self, organization: str) -> Mapping[str, int]:
        return {FULL: len(organization), PACED: 1}


def watching(plane: FakePlane, watch: Clock[float]) -> ConnectionWatch:
    return ConnectionWatch(
        plane, lambda: 800, watch, lambda limit: SMALL if limit == 800 else ConnectionBounds.of(limit)
    )


def test_a_machine_at_its_bound_is_refused_until_it_has_room() -> None:
    plane, watch = FakePlane({"acme": {A: 99, B: 40}}), Clock(0.0)
    looking = watching(plane, watch)
    looking.look()
    assert plane.refusals == []
    plane.connections["acme"][A] = 100
    watch.now += 10
    looking.look()
    assert plane.refusals == [("acme", FullMachines(frozenset({A})))]
    assert looking.figures()["full_machines"] == looking.figures()["reached_by_machine"] == 1
    assert looking.figures()["refused_by_bound"] == 4
    plane.connections["acme"] = {A: 89, B: 1}
    watch.now += 10
    looking.look()
    assert plane.refusals[1:] == []
    plane.connections["acme"] = {A: 87, B: 1}
    watch.now += 10
    looking.look()
    assert plane.refusals[1:] == [("acme", FullMachines())]
    assert looking.figures()["full_machines"] == 0


def test_an_organization_at_its_bound_is_refused() -> None:
    plane, watch = FakePlane({"acme": {A: 75, B: 75, C: 75}, "bolt": {A: 3}}), Clock(0.0)
    looking = watching(plane, watch)
    looking.look()
    assert plane.refusals == []
    plane.connections["acme"] |= {IPv4Address("10.100.0.9"): 75}
    looking.look()
    assert plane.refusals == [("acme", FullMachines(everybody=True))]
    assert (looking.figures()["connections"], looking.figures()["largest"], looking.figures()["limit"]) == (
        303,
        300,
        800,
    )


def test_where_all_have_too_many_the_largest_are_refused() -> None:
    crowd = {f"crowd{number}": {A: 90, B: 90} for number in range(4)}
    plane = FakePlane({**crowd, "small": {A: 20}})
    watching(plane, Clock(0.0)).look()
    assert {name for name, full in plane.refusals if full.everybody} == set(crowd)


def test_connections_are_not_listed_all_the_time() -> None:
    """Lists them only when a machine could have come to the bound, and pauses after each list."""
    plane, watch = FakePlane({"small": {A: 50}, "acme": {A: 60, B: 60}, "bolt": {A: 60, B: 60}}), Clock(0.0)
    looking = watching(plane, watch)
    looking.look()
    looking.look()
    assert sorted(plane.listed) == ["acme", "bolt"]
    watch.now += 2.1
    looking.look()
    assert sorted(plane.listed) == ["acme", "acme", "bolt", "bolt"]


def test_an_organization_being_changed_is_checked_later() -> None:
    plane, watch = FakePlane({"acme": {A: 150}}, is_busy=True), Clock(0.0)
    looking = watching(plane, watch)
    looking.look()
    assert plane.refusals == []
    plane.is_busy = False
    looking.look()
    assert plane.refusals == [("acme", FullMachines(frozenset({A})))]


def test_a_bound_met_during_a_change_is_in_force_after_it() -> None:
    plane, watch = FakePlane({"acme": {A: 150, B: 150}}, is_changing=True), Clock(0.0)
    looking = watching(plane, watch)
    for _ in range(2):
        looking.look()
    assert plane.refusals == []
    plane.is_changing = False
    looking.look()
    assert plane.refusals == [("acme", FullMachines(frozenset({A, B}), everybody=True))]
    assert (looking.figures()["reached_by_organization"], looking.figures()["reached_by_machine"]) == (1, 2)


def test_room_found_during_a_change_is_given_after_it() -> None:
    plane, watch = FakePlane({"acme": {A: 150}}), Clock(0.0)
    looking = watching(plane, watch)
    looking.look()
    plane.connections["acme"], plane.is_changing = {A: 1}, True
    for _ in range(2):
        watch.now += 10
        looking.look()
    assert plane.refusals[1:] == []
    plane.is_changing = False
    looking.look()
    assert plane.refusals[1:] == [("acme", FullMachines())]


def test_an_organization_back_with_few_connections_has_room() -> None:
    """Damages an organization at its bound for one count, and ends its connections meanwhile."""
    plane = FakePlane({"acme": {A: 75, B: 75, C: 75, IPv4Address("10.100.0.9"): 75}})
    looking = watching(plane, Clock(0.0))
    looking.look()
    del plane.connections["acme"]
    looking.look()
    plane.connections["acme"] = {A: 3}
    looking.look()
    assert plane.refusals == [("acme", FullMachines(everybody=True)), ("acme", FullMachines())]


def test_a_bound_is_in_force_again_in_an_organization_made_anew() -> None:
    plane = FakePlane({"acme": {A: 150}})
    looking = watching(plane, Clock(0.0))
    looking.look()
    # Suspended and resumed between two counts.
    del plane.in_force["acme"]
    looking.look()
    assert plane.refusals == [("acme", FullMachines(frozenset({A})))] * 2


def test_a_removed_organization_is_forgotten() -> None:
    plane, watch = FakePlane({"acme": {A: 150}}), Clock(0.0)
    looking = watching(plane, watch)
    looking.look()
    del plane.connections["acme"]
    looking.look()
    assert looking.figures()["full_machines"] == looking.figures()["refused_by_bound"] == 0


class OnAWire:
    """One organization in a real namespace, with the interface that the watch uses."""

    def __init__(self, kernel: Kernel, ledger: Ledger) -> None:
        self.kernel, self.names = kernel, kernel.wire.names
        self.enforcement = Enforcement(ledger)
        self.enforcement.enforce(self.names, state_of((FIRST, SECOND, THIRD), Policy(Action.ALLOW)))
        self.fill = ConnectionCounts()

    def tracked(self) -> Mapping[str, int]:
        return {"acme": self.fill.count(self.names.namespace)}

    def openers(self, organization: str) -> Mapping[IPv4Address, int]:
        del organization
        return count_by_opener(self.kernel.sockets, self.names.namespace)

    def refuse(self, organization: str, full: FullMachines) -> None:
        del organization
        self.enforcement.refuse(self.names, full)

    def refused(self, organization: str) -> Mapping[str, int]:
        del organization
        return self.enforcement.refused(self.names)


@pytest.fixture
def on_a_wire(kernel: Kernel, ledger: Ledger) -> OnAWire:
    """Three machines that may open anything."""
    return OnAWire(kernel, ledger)


def test_a_machine_at_its_bound_leaves_room_for_other_machines(on_a_wire: OnAWire) -> None:
    wire, watch = on_a_wire.kernel.wire, Clock(0.0)
    looking = ConnectionWatch(on_a_wire, lambda: 800, watch, lambda _: SMALL)
    greedy = [Flow(FIRST.address, SECOND.address, "udp", 9, number) for number in range(1, 400)]
    held = set()
    for number, flow in enumerate(greedy):
        held |= {flow} if wire.passes(flow.opening()) else set()
        if number % 20 == 19:
            watch.now += 5
            looking.look()
    assert len(held) == SMALL.machine
    looking.look()
    assert looking.figures()["full_machines"] == 1
    assert looking.figures()["refused_by_bound"] == len(greedy) - len(held)
    for flow in held:
        assert wire.passes(flow.opening())
    for mate in (SECOND, THIRD):
        assert wire.passes(Flow(mate.address, FIRST.address, "tcp", 22, 4).opening())
    wire.forget_connections()
    watch.now += 5
    looking.look()
    assert wire.passes(greedy[-1].opening())


def test_a_listing_is_of_the_namespace_that_now_has_the_name(on_a_wire: OnAWire) -> None:
    wire = on_a_wire.kernel.wire
    assert on_a_wire.tracked() == {"acme": 0}
    assert wire.passes(Flow(FIRST.address, SECOND.address, "udp", 9).opening())
    assert on_a_wire.tracked() == {"acme": 1}
    assert on_a_wire.fill.count("mwnobody") == 0
    assert on_a_wire.fill.names() == {wire.names.namespace}
    on_a_wire.fill.forget(wire.names.namespace)
    assert on_a_wire.fill.names() == frozenset()
    assert on_a_wire.tracked() == {"acme": 1}


def test_the_host_s_connection_limit_is_read() -> None:
    assert host_limit() > 1000
