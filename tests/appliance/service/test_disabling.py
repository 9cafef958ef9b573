"""Disabled machines, which are kept and have no tunnel."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from appliance.model.errors import Conflict, Forbidden, Invalid, PlanLimit
from appliance.model.organization import Machine, Role
from appliance.model.policy import ANYONE, Action, Policy, Rule, Selector, SelectorKind
from appliance.service import Actor, Context, machines, organizations, usage
from appliance.service import policy as policies
from appliance.store import organizations as stored
from appliance.store import times, unused
from tests.appliance.fakes import FakeHub


def enforced(hub: FakeHub, owner: Actor) -> list[str]:
    return [peer.id for peer in hub.enforced[owner.organization_id].peers]


def machine_of(context: Context, owner: Actor, machine_id: str) -> Machine:
    return machines.get(context, owner, machine_id).machine


def test_a_disabled_machine_is_stored_and_not_enforced(context: Context, hub: FakeHub, owner: Actor) -> None:
    before = machines.add(context, owner, name="a", groups=["red"]).machine
    other = machines.add(context, owner, name="b").machine
    seen = machines.change(context, owner, before.id, enabled=False)
    assert seen.machine == replace(before, enabled=False)
    assert enforced(hub, owner) == [other.id]
    with context.store.read() as transaction:
        assert hub.enforced[owner.organization_id] == stored.desired(transaction, owner.organization_id)
    assert machines.change(context, owner, before.id, enabled=True).machine == before
    assert enforced(hub, owner) == [before.id, other.id]


def test_changes_of_a_disabled_machine_leave_it_disabled(context: Context, hub: FakeHub, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    machines.change(context, owner, machine.id, enabled=False)
    machines.change(context, owner, machine.id, name="another", groups=["blue"])
    rotated = machines.rotate(context, owner, machine.id).machine
    assert not rotated.enabled
    assert enforced(hub, owner) == []
    assert machines.change(context, owner, machine.id, enabled=True).machine == replace(rotated, enabled=True)
    (peer,) = hub.enforced[owner.organization_id].peers
    assert (peer.public_key, peer.groups) == (rotated.public_key, frozenset({"blue"}))


def test_a_disabled_machine_keeps_its_name_address_and_key(context: Context, owner: Actor) -> None:
    organizations.change(context, owner, plan="paid")
    machine = machines.add(context, owner, name="a").machine
    machines.change(context, owner, machine.id, enabled=False)
    assert machines.add(context, owner, name="b").machine.address == machine.address + 1
    with pytest.raises(Conflict):
        machines.add(context, owner, name="a")
    with pytest.raises(Conflict):
        machines.add(context, owner, name="c", public_key=machine.public_key)


def test_a_disabled_machine_counts_for_the_plan(context: Context, owner: Actor) -> None:
    first, _ = (machines.add(context, owner, name=name).machine for name in ("a", "b"))
    machines.change(context, owner, first.id, enabled=False)
    with pytest.raises(PlanLimit):
        machines.add(context, owner, name="c")
    organizations.change(context, owner, plan="paid")
    machines.add(context, owner, name="c")
    with pytest.raises(Conflict, match="there are 3"):
        organizations.change(context, owner, plan="free")


def test_rules_for_a_disabled_machine_hold_once_it_is_enabled(context: Context, hub: FakeHub, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    machines.change(context, owner, machine.id, enabled=False)
    rule = Rule("x", Action.DENY, Selector(SelectorKind.MACHINE, machine.id), ANYONE)
    policies.save(context, owner, Policy(rules=(rule,)))
    machines.change(context, owner, machine.id, enabled=True)
    assert hub.enforced[owner.organization_id].policy.rules == (rule,)
    machines.change(context, owner, machine.id, enabled=False)
    machines.remove(context, owner, machine.id)
    assert policies.get(context, owner).policy.rules == ()
    with pytest.raises(Invalid):
        policies.save(context, owner, Policy(rules=(rule,)))


def test_a_viewer_can_t_disable_a_machine(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    with pytest.raises(Forbidden):
        machines.change(context, replace(owner, role=Role.VIEWER), machine.id, enabled=False)


def test_a_refusal_by_the_data_plane_changes_nothing(context: Context, hub: FakeHub, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    hub.refuses = True
    with pytest.raises(Exception, match="data plane"):
        machines.change(context, owner, machine.id, enabled=False)
    hub.refuses = False
    assert machine_of(context, owner, machine.id).enabled
    assert enforced(hub, owner) == [machine.id]


def test_disabling_is_in_the_audit_trail_and_stops_the_meter(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    for enabled in (False, False, True):
        machines.change(context, owner, machine.id, enabled=enabled)
    told = [entry.detail.get("enabled") for entry in organizations.trail(context, owner)[0][:3]]
    assert told == [True, None, False]
    machines.change(context, owner, machine.id, enabled=False)
    later = replace(context, clock=lambda: times.now() + timedelta(hours=5))
    assert sum(month.minutes for month in usage.statement(later, owner)) <= 2


def test_an_organization_of_one_disabled_machine_is_unused(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    machines.change(context, owner, machine.id, enabled=False)
    later = times.now() + timedelta(days=40)
    with context.store.read() as transaction:
        assert unused.is_unused(transaction, owner.organization_id, later)
    machines.remove(context, owner, machine.id)
    with context.store.read() as transaction:
        assert not unused.is_unused(transaction, owner.organization_id, later)
