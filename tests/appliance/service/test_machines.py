"""Machines: addresses, names, keys and the bounds of plans."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.model.errors import Conflict, Invalid, NotFound, PlanLimit
from appliance.model.keys import new_key_pair
from appliance.model.policy import ANYONE, Action, Policy, Rule, Selector, SelectorKind
from appliance.service import Actor, Context, machines, organizations
from appliance.service import policy as policies
from appliance.store import organizations as stored
from appliance.store import schema
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub


def test_machines_get_addresses_from_the_second_one_on(context: Context, owner: Actor) -> None:
    addresses = [str(machines.add(context, owner, name=name).machine.address) for name in ("a", "b")]
    assert addresses == ["10.100.0.2", "10.100.0.3"]


def test_the_free_plan_has_two_machines_and_names_the_paid_plan(context: Context, owner: Actor) -> None:
    for name in ("a", "b"):
        machines.add(context, owner, name=name)
    with pytest.raises(PlanLimit, match="paid plan") as refused:
        machines.add(context, owner, name="c")
    assert refused.value.field is None
    organizations.change(context, owner, plan="paid")
    machines.add(context, owner, name="c")
    with pytest.raises(Conflict):
        organizations.change(context, owner, plan="free")


def test_machines_added_at_once_never_collide(context: Context, owner: Actor) -> None:
    organizations.change(context, owner, plan="paid")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: machines.add(context, owner, name=f"m{n}").machine.address, range(40)))
    assert len(set(made)) == 40
    assert {int(address) & 0xFFFF for address in made} == set(range(2, 42))


def test_one_of_many_machines_added_with_one_name_succeeds(context: Context, hub: FakeHub, owner: Actor) -> None:
    organizations.change(context, owner, plan="paid")

    def add(_: int) -> str | None:
        try:
            return machines.add(context, owner, name="mumbai").machine.id
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [machine for machine in pool.map(add, range(16)) if machine is not None]
    assert [seen.machine.id for seen in machines.page(context, owner)[0]] == made
    assert [peer.id for peer in hub.enforced[owner.organization_id].peers] == made
    assert len(made) == 1


def test_concurrent_changes_leave_the_store_as_enforced(context: Context, hub: FakeHub, owner: Actor) -> None:
    organizations.change(context, owner, plan="paid")
    first = [machines.add(context, owner, name=f"first {number}").machine.id for number in range(12)]
    change: list[Callable[[str], object]] = [
        lambda machine: machines.remove(context, owner, machine),
        lambda machine: machines.rotate(context, owner, machine),
        lambda machine: machines.change(context, owner, machine, groups=["red"]),
        lambda machine: machines.add(context, owner, name=f"beside {machine}"),
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: change[at % 4](first[at]), range(12)))
    with context.store.read() as transaction:
        assert hub.enforced[owner.organization_id] == stored.desired(transaction, owner.organization_id)
    seen, _ = machines.page(context, owner)
    assert len(seen) == len({each.machine.address for each in seen}) == 12


def test_names_and_keys_are_unique_within_an_organization_only(context: Context, owner: Actor) -> None:
    organizations.change(context, owner, plan="paid")
    key = new_key_pair().public
    machines.add(context, owner, name="a", public_key=key)
    with pytest.raises(Conflict) as taken:
        machines.add(context, owner, name="a")
    assert taken.value.field == "name"
    with pytest.raises(Conflict) as taken:
        machines.add(context, owner, name="b", public_key=key)
    assert taken.value.field == "public_key"
    other = sign_up(context, "other@example.net")
    machines.add(context, other, name="a", public_key=key)


def test_no_private_key_is_stored(context: Context, owner: Actor) -> None:
    issued = machines.add(context, owner, name="a")
    private = issued.configuration.private_key
    assert private is not None
    with context.store.read() as transaction:
        for table in schema.metadata.sorted_tables:
            for row in transaction.execute(table.select()):
                assert private not in repr(row)
    own = machines.add(context, owner, name="b", public_key=new_key_pair().public)
    assert "<" in own.configuration.text()


def test_rotation_changes_the_key_and_nothing_else(context: Context, owner: Actor) -> None:
    before = machines.add(context, owner, name="a", groups=["red"]).machine
    after = machines.rotate(context, owner, before.id).machine
    assert after.public_key != before.public_key
    assert (after.id, after.name, after.address, after.groups) == (
        before.id,
        before.name,
        before.address,
        before.groups,
    )


def test_removing_a_machine_removes_its_rules(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    about = Rule("x", Action.DENY, Selector(SelectorKind.MACHINE, machine.id), ANYONE)
    other = Rule("y", Action.DENY, ANYONE, Selector(SelectorKind.GROUP, "red"))
    policies.save(context, owner, Policy(Action.ALLOW, (about, other)))
    machines.remove(context, owner, machine.id)
    assert [rule.id for rule in policies.get(context, owner).policy.rules] == ["y"]


def test_the_present_key_and_the_hub_s_key_are_refused(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a", public_key=new_key_pair().public).machine
    hub_key = organizations.get(context, owner).hub_public_key
    with pytest.raises(Conflict, match="already"):
        machines.rotate(context, owner, machine.id, public_key=machine.public_key)
    with pytest.raises(Invalid, match="the hub's"):
        machines.rotate(context, owner, machine.id, public_key=hub_key)
    with pytest.raises(Invalid, match="the hub's"):
        machines.add(context, owner, name="b", public_key=hub_key)
    assert machines.get(context, owner, machine.id).machine == machine


def test_another_organization_s_machine_does_not_exist(context: Context, owner: Actor) -> None:
    machine = machines.add(context, owner, name="a").machine
    other = sign_up(context, "other@example.net")
    with pytest.raises(NotFound):
        machines.get(context, other, machine.id)
    with pytest.raises(NotFound):
        machines.rotate(context, other, machine.id)
    with pytest.raises(NotFound):
        machines.remove(context, other, machine.id)
    with pytest.raises(Invalid):
        policies.add_rule(context, other, Rule("x", Action.DENY, Selector(SelectorKind.MACHINE, machine.id), ANYONE))


def test_machines_come_in_consecutive_pages(context: Context, owner: Actor) -> None:
    """Another organization has machines at the same addresses, and beyond."""
    other = sign_up(context, "other@example.net")
    for actor, prefix, count in ((other, "other", 7), (owner, "m", 5)):
        organizations.change(context, actor, plan="paid")
        for number in range(count):
            machines.add(context, actor, name=f"{prefix}{number}")
    names: list[str] = []
    after = None
    while True:
        seen, after = machines.page(context, owner, after=after, limit=2)
        names += [each.machine.name for each in seen]
        if after is None:
            break
    assert names == [f"m{number}" for number in range(5)]
