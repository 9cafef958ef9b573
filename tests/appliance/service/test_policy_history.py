"""Histories of policies: every kept version can be read and restored, and the rest is bounded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from appliance.model.errors import Conflict, Invalid, NotEnforced, NotFound, PreconditionFailed
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import parse_ports
from appliance.service import Actor, Context, machines, organizations, policy, policy_history
from appliance.store import policy_history as stored
from appliance.store import schema
from appliance.store.policy_history import PolicyVersion
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub


def rule(source: Selector = ANYONE, description: str = "", ports: str = "") -> Rule:
    protocol = Protocol.TCP if ports else Protocol.ANY
    return Rule(new_id(), Action.DENY, source, ANYONE, protocol, parse_ports(ports), description)


def alike(one: Policy, other: Policy) -> bool:
    """Tells whether two policies have the same default and rules, in any order."""
    return (one.default, set(one.rules)) == (other.default, set(other.rules))


def versions(context: Context, owner: Actor) -> Sequence[PolicyVersion]:
    found, following = policy_history.page(context, owner)
    assert following is None
    return found


def bytes_of(context: Context, owner: Actor) -> tuple[int, int]:
    """Reads the noted bytes of a history, and the sum of its rows' sizes."""
    table = schema.policy_history
    with context.store.read() as transaction:
        noted = transaction.execute(
            select(schema.organizations.c.history_bytes).where(schema.organizations.c.id == owner.organization_id)
        ).scalar_one()
        rows = select(func.coalesce(func.sum(table.c.size), 0)).where(table.c.organization_id == owner.organization_id)
        return noted, int(transaction.execute(rows).scalar_one())


def change_something(context: Context, owner: Actor, drawn: random.Random) -> None:
    """Saves the policy in one of the ways in which it can change."""
    present = policy.get(context, owner).policy
    rules = list(present.rules)
    kind = drawn.randrange(6)
    if kind == 0 or not rules:
        policy.add_rule(context, owner, rule(description=f"“ü” {drawn.random()}", ports=drawn.choice(["", "22,80-90"])))
    elif kind == 1:
        policy.remove_rule(context, owner, drawn.choice(rules).id)
    elif kind == 2:
        action = drawn.choice(list(Action)).value
        policy.change_rule(context, owner, drawn.choice(rules).id, {"action": action, "source": "group:red"})
    elif kind == 3:
        policy.save(context, owner, present.with_default(drawn.choice(list(Action))))
    elif kind == 4:
        policy.save(context, owner, Policy(present.default, tuple(drawn.sample(rules, len(rules)))))
    else:
        some = drawn.sample(rules, drawn.randint(0, len(rules)))
        policy.save(context, owner, Policy(drawn.choice(list(Action)), (rule(), *some, rule(description="last"))))


@pytest.mark.parametrize("seed", range(4))
def test_every_version_is_read_and_restored(context: Context, owner: Actor, hub: FakeHub, seed: int) -> None:
    drawn = random.Random(seed)
    known = {1: policy.get(context, owner).policy}
    for _ in range(25):
        change_something(context, owner, drawn)
        saved = policy.get(context, owner)
        known[saved.version] = saved.policy
    assert [each.version for each in versions(context, owner)] == sorted(known, reverse=True)
    for version, then in known.items():
        assert alike(policy_history.at_version(context, owner, version), then)
    for version in drawn.sample(sorted(known), 8):
        before = policy.get(context, owner).version
        restored = policy_history.restore(context, owner, version).result
        assert (restored.version, alike(restored.policy, known[version])) == (before + 1, True)
        assert policy.get(context, owner) == restored
        assert hub.enforced[owner.organization_id].policy == restored.policy
    noted, counted = bytes_of(context, owner)
    assert noted == counted > 0


def test_a_version_tells_who_changed_what_and_when(context: Context, owner: Actor) -> None:
    policy.add_rule(context, owner, rule(description="no backups"))
    policy_history.restore(context, owner, 1)
    restored, added, first = versions(context, owner)
    assert first == PolicyVersion(1, None)
    assert added.save is not None
    assert restored.save is not None
    assert (added.version, added.save.actor) == (2, owner.email)
    assert abs(added.save.at - context.clock()) < timedelta(minutes=5)
    assert added.save.changes == {"added": ["deny any to any (no backups)"], "default": "allow", "rules": 1}
    assert restored.save.changes == {
        "removed": ["deny any to any (no backups)"],
        "default": "allow",
        "rules": 0,
        "restored_version": 1,
    }
    (entry, *_), _ = organizations.trail(context, owner)
    assert (entry.action, entry.detail["restored_version"], entry.detail["version"]) == ("policy.saved", 1, 3)


def test_a_restored_rule_has_its_id_again(context: Context, owner: Actor) -> None:
    made = policy.add_rule(context, owner, rule()).result
    policy.change_rule(context, owner, made.id, {"action": "allow"})
    policy.remove_rule(context, owner, made.id)
    assert policy_history.restore(context, owner, 2).result.policy.rules == (made,)


def test_a_save_of_one_rule_of_many_stores_only_this_rule(context: Context, owner: Actor) -> None:
    policy.save(context, owner, Policy(rules=tuple(rule(description=str(number)) for number in range(500))))
    before, _ = bytes_of(context, owner)
    made = policy.add_rule(context, owner, rule(description="one more")).result
    policy.remove_rule(context, owner, made.id)
    assert bytes_of(context, owner)[0] - before < 1500


def test_rules_for_removed_machines_are_not_restored(context: Context, owner: Actor, hub: FakeHub) -> None:
    gone, left = (machines.add(context, owner, name=name).machine.id for name in ("branch-pune", "branch-mumbai"))
    rules = (rule(Selector(SelectorKind.MACHINE, gone)), rule(Selector(SelectorKind.MACHINE, left)), rule())
    policy.save(context, owner, Policy(rules=rules))
    machines.change(context, owner, left, enabled=False)
    machines.remove(context, owner, gone)
    before, applied = policy.get(context, owner), hub.applications
    (removal, _, _) = versions(context, owner)
    assert removal.save is not None
    assert removal.save.changes["machine_removed"] == "branch-pune"
    assert len(removal.save.changes["removed"]) == 1
    with pytest.raises(Conflict) as refused:
        policy_history.restore(context, owner, 2)
    assert refused.value.detail == (
        "Version 2 has rules for machines that were removed since: “branch-pune”. Nothing was restored."
    )
    assert (policy.get(context, owner), hub.applications) == (before, applied)
    assert alike(policy_history.at_version(context, owner, 2), Policy(rules=rules))


def test_the_refusal_names_a_few_machines_and_counts_the_rest(context: Context, owner: Actor) -> None:
    organizations.change(context, owner, plan="paid")
    made = [machines.add(context, owner, name=f"m{number}").machine.id for number in range(8)]
    policy.save(context, owner, Policy(rules=tuple(rule(Selector(SelectorKind.MACHINE, each)) for each in made)))
    for each in made:
        machines.remove(context, owner, each)
    with pytest.raises(Conflict, match="“m7”, “m6”, “m5”, “m4”, “m3”, 3 others"):
        policy_history.restore(context, owner, 2)


def test_a_restore_that_is_not_enforced_changes_nothing(context: Context, owner: Actor, hub: FakeHub) -> None:
    policy.add_rule(context, owner, rule())
    before, kept = policy.get(context, owner), versions(context, owner)
    hub.refuses = True
    with pytest.raises(NotEnforced):
        policy_history.restore(context, owner, 1)
    hub.refuses = False
    assert (policy.get(context, owner), versions(context, owner)) == (before, kept)


def test_only_kept_versions_of_the_own_policy_are_found(context: Context, owner: Actor) -> None:
    policy.add_rule(context, owner, rule())
    other = sign_up(context, "other@example.net")
    for actor, version in ((owner, 0), (owner, 3), (owner, -1), (owner, 10**12), (other, 2)):
        with pytest.raises(NotFound, match="is not kept"):
            policy_history.restore(context, actor, version)
    with pytest.raises(PreconditionFailed):
        policy_history.restore(context, owner, 1, seen=[1])
    assert versions(context, other) == [PolicyVersion(1, None)]


def test_the_history_comes_in_pages(context: Context, owner: Actor) -> None:
    for _ in range(6):
        policy.add_rule(context, owner, rule())
    found: list[int] = []
    after = None
    while True:
        page, after = policy_history.page(context, owner, after=after, limit=2)
        assert 1 <= len(page) <= 2
        found += [each.version for each in page]
        if after is None:
            break
    assert found == [7, 6, 5, 4, 3, 2, 1]
    for wrong in ("1", "0", "8", "-1", "x", "٣", "9" * 30):
        with pytest.raises(Invalid, match="position"):
            policy_history.page(context, owner, after=wrong)


def test_a_page_is_bounded_in_bytes(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        policy.add_rule(context, owner, rule(description="x" * 400))
    monkeypatch.setattr("appliance.service.pages.MOST_BYTES", 1300)
    page, after = policy_history.page(context, owner)
    assert ([each.version for each in page], after) == ([5, 4], "4")


@pytest.mark.long
@pytest.mark.parametrize(("name", "most"), [("MOST_VERSIONS", 10), ("MOST_BYTES", 4000)])
def test_the_oldest_saves_beyond_a_limit_are_removed(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(stored, name, most)
    known = {}
    for number in range(63):
        policy.save(context, owner, Policy(rules=(rule(description=str(number)),)))
        saved = policy.get(context, owner)
        known[saved.version] = saved.policy
    kept = versions(context, owner)
    assert 10 <= len(kept) < 30
    assert [each.version for each in kept] == [64 - number for number in range(len(kept))]
    noted, counted = bytes_of(context, owner)
    assert noted == counted <= 4000
    for each in kept:
        assert alike(policy_history.at_version(context, owner, each.version), known[each.version])
    with pytest.raises(NotFound):
        policy_history.restore(context, owner, kept[-1].version - 1)


def test_a_save_larger_than_all_history_is_kept_alone(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_BYTES", 1000)
    many = Policy(rules=tuple(rule(description=str(number)) for number in range(100)))
    policy.save(context, owner, many)
    policy.save(context, owner, Policy())
    assert [each.version for each in versions(context, owner)] == [3, 2]
    assert alike(policy_history.restore(context, owner, 2).result.policy, many)


def test_old_saves_are_removed_with_the_days_of_trails(context: Context) -> None:
    def at(days: int) -> Context:
        return replace(context, clock=lambda: now + timedelta(days=days))

    now = context.clock()
    owner = sign_up(at(0), "owner@example.net")
    for days in (0, 10, 20):
        actor = Actor.operator(owner.organization_id)
        policy.add_rule(at(days), actor, rule())
    assert policy_history.tidy(at(400)) == 0
    assert policy_history.tidy(at(411)) == 2
    assert [each.version for each in versions(context, owner)] == [4, 3]
    noted, counted = bytes_of(context, owner)
    assert noted == counted > 0
    assert policy_history.tidy(at(500)) == 1
    assert versions(context, owner) == [PolicyVersion(4, None)]
    assert bytes_of(context, owner) == (0, 0)
    policy.add_rule(context, owner, rule())
    assert [each.version for each in versions(context, owner)] == [5, 4]
