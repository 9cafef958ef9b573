"""Machines that are kept and have no tunnel."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from appliance.model.errors import Conflict, Forbidden, Invalid, PlanLimit
from appliance.model.organization import Machine, Role
from appliance.model.policy import ANYONE, Action, Kind, Policy, Rule, Selector
from appliance.service import Actor, Workplace, machines, organizations, usage
from appliance.service import policy as policies
from appliance.store import organizations as stored
from appliance.store import times, unused
from tests.appliance.fakes import FakeHub


def enforced(hub: FakeHub, owner: Actor) -> list[str]:
    return [peer.id for peer in hub.enforced[owner.organization_id].peers]


def machine_of(workplace: Workplace, owner: Actor, machine_id: str) -> Machine:
    return machines.get(workplace, owner, machine_id).machine


def test_a_disabled_machine_is_kept_and_the_data_plane_has_nothing_of_it(
    workplace: Workplace, hub: FakeHub, owner: Actor
) -> None:
    before = machines.add(workplace, owner, name="a", groups=["red"]).machine
    other = machines.add(workplace, owner, name="b").machine
    seen = machines.change(workplace, owner, before.id, enabled=False)
    assert seen.machine == replace(before, enabled=False)
    assert enforced(hub, owner) == [other.id]
    with workplace.store.read() as transaction:
        assert hub.enforced[owner.organization_id] == stored.desired(transaction, owner.organization_id)
    assert machines.change(workplace, owner, before.id, enabled=True).machine == before
    assert enforced(hub, owner) == [before.id, other.id]


def test_what_is_done_to_a_disabled_machine_leaves_it_disabled(
    workplace: Workplace, hub: FakeHub, owner: Actor
) -> None:
    machine = machines.add(workplace, owner, name="a").machine
    machines.change(workplace, owner, machine.id, enabled=False)
    machines.change(workplace, owner, machine.id, name="another", groups=["blue"])
    rotated = machines.rotate(workplace, owner, machine.id).machine
    assert not rotated.enabled
    assert enforced(hub, owner) == []
    assert machines.change(workplace, owner, machine.id, enabled=True).machine == replace(rotated, enabled=True)
    (peer,) = hub.enforced[owner.organization_id].peers
    assert (peer.public_key, peer.groups) == (rotated.public_key, frozenset({"blue"}))


def test_nobody_else_gets_its_name_address_or_key(workplace: Workplace, owner: Actor) -> None:
    organizations.change(workplace, owner, plan="paid")
    machine = machines.add(workplace, owner, name="a").machine
    machines.change(workplace, owner, machine.id, enabled=False)
    assert machines.add(workplace, owner, name="b").machine.address == machine.address + 1
    with pytest.raises(Conflict):
        machines.add(workplace, owner, name="a")
    with pytest.raises(Conflict):
        machines.add(workplace, owner, name="c", public_key=machine.public_key)


def test_it_counts_for_the_plan(workplace: Workplace, owner: Actor) -> None:
    first, _ = (machines.add(workplace, owner, name=name).machine for name in ("a", "b"))
    machines.change(workplace, owner, first.id, enabled=False)
    with pytest.raises(PlanLimit):
        machines.add(workplace, owner, name="c")
    organizations.change(workplace, owner, plan="paid")
    machines.add(workplace, owner, name="c")
    with pytest.raises(Conflict, match="there are 3"):
        organizations.change(workplace, owner, plan="free")


def test_rules_may_name_it_and_hold_when_it_is_back(workplace: Workplace, hub: FakeHub, owner: Actor) -> None:
    machine = machines.add(workplace, owner, name="a").machine
    machines.change(workplace, owner, machine.id, enabled=False)
    rule = Rule("x", Action.DENY, Selector(Kind.MACHINE, machine.id), ANYONE)
    policies.save(workplace, owner, Policy(rules=(rule,)))
    machines.change(workplace, owner, machine.id, enabled=True)
    assert hub.enforced[owner.organization_id].policy.rules == (rule,)
    machines.change(workplace, owner, machine.id, enabled=False)
    machines.remove(workplace, owner, machine.id)
    assert policies.get(workplace, owner).policy.rules == ()
    with pytest.raises(Invalid):
        policies.save(workplace, owner, Policy(rules=(rule,)))


def test_a_viewer_disables_nothing(workplace: Workplace, owner: Actor) -> None:
    machine = machines.add(workplace, owner, name="a").machine
    with pytest.raises(Forbidden):
        machines.change(workplace, replace(owner, role=Role.VIEWER), machine.id, enabled=False)


def test_what_the_data_plane_refuses_changes_nothing(workplace: Workplace, hub: FakeHub, owner: Actor) -> None:
    machine = machines.add(workplace, owner, name="a").machine
    hub.refuses = True
    with pytest.raises(Exception, match="data plane"):
        machines.change(workplace, owner, machine.id, enabled=False)
    hub.refuses = False
    assert machine_of(workplace, owner, machine.id).enabled
    assert enforced(hub, owner) == [machine.id]


def test_the_trail_tells_of_it_and_the_meter_stops(workplace: Workplace, owner: Actor) -> None:
    machine = machines.add(workplace, owner, name="a").machine
    for enabled in (False, False, True):
        machines.change(workplace, owner, machine.id, enabled=enabled)
    told = [entry.detail.get("enabled") for entry in organizations.trail(workplace, owner)[0][:3]]
    assert told == [True, None, False]
    machines.change(workplace, owner, machine.id, enabled=False)
    later = replace(workplace, clock=lambda: times.now() + timedelta(hours=5))
    assert sum(month.minutes for month in usage.statement(later, owner)) <= 2


def test_an_organization_with_a_disabled_machine_that_never_connected_is_unused(
    workplace: Workplace, owner: Actor
) -> None:
    machine = machines.add(workplace, owner, name="a").machine
    machines.change(workplace, owner, machine.id, enabled=False)
    later = times.now() + timedelta(days=40)
    with workplace.store.read() as transaction:
        assert unused.is_one(transaction, owner.organization_id, later)
    machines.remove(workplace, owner, machine.id)
    with workplace.store.read() as transaction:
        assert not unused.is_one(transaction, owner.organization_id, later)
