"""Expectations protect a policy from changes that would break them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.model.errors import Conflict, Invalid, NotFound
from appliance.model.expectations import Expectation, ExpectationBroken
from appliance.model.ids import new_id
from appliance.model.policy import ANYONE, Action, Policy, Protocol, Rule, Selector, SelectorKind
from appliance.model.port_ranges import parse_ports
from appliance.service import Actor, Context, expectations, machines, organizations, policy, policy_history
from appliance.service.expectations import MOST
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub

GUESTS, DB = (Selector(SelectorKind.GROUP, name) for name in ("guests", "db"))
CLOSED = Expectation(GUESTS, DB, Action.DENY, Protocol.TCP, 5432)
OPEN = Expectation(DB, GUESTS, Action.ALLOW)
DENIED = Rule(new_id(), Action.DENY, GUESTS, DB, Protocol.TCP, parse_ports("5432"))


@pytest.fixture
def pair(context: Context, owner: Actor) -> tuple[str, str]:
    """Provides a guest and a database, between which the expectations hold."""
    organizations.change(context, owner, plan="paid")
    guest, db = (machines.add(context, owner, name=name, groups=[name]).machine.id for name in ("guests", "db"))
    policy.add_rule(context, owner, DENIED)
    expectations.save(context, owner, [CLOSED, OPEN])
    return guest, db


def last_entry(context: Context, owner: Actor) -> tuple[str, dict[str, object]]:
    (entry, *_), _ = organizations.trail(context, owner, limit=1)
    return entry.action, entry.detail


@pytest.mark.usefixtures("pair")
def test_a_save_that_breaks_an_expectation_is_refused(context: Context, owner: Actor, hub: FakeHub) -> None:
    before, applied = policy.get(context, owner), hub.applications
    saves: list[Callable[[bool], object]] = [
        lambda force: policy.remove_rule(context, owner, DENIED.id, force=force),
        lambda force: policy.change_rule(context, owner, DENIED.id, {"ports": "5433"}, force=force),
        lambda force: policy.save(context, owner, Policy(), force=force),
        lambda force: policy_history.restore(context, owner, 1, force=force),
        lambda force: policy.add_rule(context, owner, Rule(new_id(), Action.DENY, DB, ANYONE), force=force),
    ]
    for save in saves:
        with pytest.raises(ExpectationBroken) as refused:
            save(False)
        assert len(refused.value.broken) == 1
        assert refused.value.broken[0].sentence in refused.value.detail
        assert (policy.get(context, owner), hub.applications) == (before, applied)
    for save in saves:
        save(True)
        _, detail = last_entry(context, owner)
        assert detail["broken"] in ([CLOSED.sentence], [OPEN.sentence])
        restored = policy_history.restore(context, owner, before.version)
        assert restored.result.policy.rules == before.policy.rules
        assert "broken" not in last_entry(context, owner)[1]


@pytest.mark.usefixtures("pair")
def test_what_is_broken_already_refuses_no_save(context: Context, owner: Actor) -> None:
    policy.remove_rule(context, owner, DENIED.id, force=True)
    assert [each.holds for each in expectations.get(context, owner)] == [False, True]
    policy.add_rule(context, owner, Rule(new_id(), Action.ALLOW, GUESTS, DB))
    with pytest.raises(ExpectationBroken) as refused:
        policy.save(context, owner, Policy(Action.DENY))
    assert refused.value.broken == (OPEN,)
    policy.add_rule(context, owner, DENIED)
    assert [each.holds for each in expectations.get(context, owner)] == [True, True]


def test_a_machine_in_another_group_may_break_one(context: Context, owner: Actor, pair: tuple[str, str]) -> None:
    guest, db = pair
    deny_one = Rule(new_id(), Action.DENY, Selector(SelectorKind.MACHINE, guest), DB)
    policy.save(context, owner, Policy(rules=(deny_one,)))
    with pytest.raises(ExpectationBroken, match="deny group:guests to group:db, tcp 5432"):
        machines.add(context, owner, name="another", groups=["guests"])
    other = machines.add(context, owner, name="another").machine.id
    before = machines.get(context, owner, other).machine
    with pytest.raises(ExpectationBroken):
        machines.change(context, owner, other, groups=["guests"])
    assert machines.get(context, owner, other).machine == before
    machines.change(context, owner, other, groups=["guests"], force=True)
    assert last_entry(context, owner)[1]["broken"] == [CLOSED.sentence]
    machines.change(context, owner, other, name="renamed")
    machines.change(context, owner, db, groups=["db", "more"])


def test_disabled_machines_count_so_enabling_breaks_none(context: Context, owner: Actor, pair: tuple[str, str]) -> None:
    machines.change(context, owner, pair[0], enabled=False)
    assert [each.pairs for each in expectations.get(context, owner)] == [1, 1]
    with pytest.raises(ExpectationBroken):
        policy.remove_rule(context, owner, DENIED.id)
    machines.change(context, owner, pair[0], enabled=True)
    assert all(each.holds for each in expectations.get(context, owner))


def test_a_removed_machine_takes_its_expectations_along(context: Context, owner: Actor, pair: tuple[str, str]) -> None:
    about_it = Expectation(Selector(SelectorKind.MACHINE, pair[0]), DB, Action.DENY, Protocol.TCP, 5432)
    expectations.save(context, owner, [CLOSED, about_it])
    machines.remove(context, owner, pair[0])
    assert last_entry(context, owner)[1]["expectations_removed"] == [about_it.sentence]
    (left,) = expectations.get(context, owner)
    assert (left.expectation, left.holds, left.pairs) == (CLOSED, True, 0)
    machines.remove(context, owner, pair[1])
    assert "expectations_removed" not in last_entry(context, owner)[1]


def test_expectations_are_replaced_and_recorded(context: Context, owner: Actor) -> None:
    machines.add(context, owner, name="a", groups=["guests"])
    found = expectations.save(context, owner, [CLOSED, CLOSED, OPEN])
    assert [(each.expectation, each.holds, each.pairs) for each in found] == [(CLOSED, True, 0), (OPEN, True, 0)]
    assert last_entry(context, owner) == ("policy.expected", {"count": 2, "added": [CLOSED.sentence, OPEN.sentence]})
    expectations.save(context, owner, [OPEN])
    assert last_entry(context, owner) == ("policy.expected", {"count": 1, "removed": [CLOSED.sentence]})
    assert [each.expectation for each in expectations.get(context, owner)] == [OPEN]
    expectations.save(context, owner, [])
    assert expectations.get(context, owner) == []
    assert expectations.get(context, sign_up(context, "other@example.net")) == []


def test_expectations_are_bounded_and_name_own_machines(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [Expectation(GUESTS, DB, Action.DENY, Protocol.TCP, port) for port in range(1, MOST + 2)]
    assert len(expectations.save(context, owner, many[:-1])) == MOST
    with pytest.raises(Invalid, match="at most 200"):
        expectations.save(context, owner, many)
    other = sign_up(context, "other@example.net")
    foreign = machines.add(context, other, name="a").machine.id
    with pytest.raises(Invalid, match="does not exist") as refused:
        expectations.save(context, owner, [Expectation(DB, Selector(SelectorKind.MACHINE, foreign), Action.DENY)])
    assert refused.value.field == "destination"
    assert len(expectations.get(context, owner)) == MOST
    machines.add(context, owner, name="a", groups=["guests"])
    machines.add(context, owner, name="b", groups=["db"], force=True)
    monkeypatch.setattr("appliance.service.expectations.MOST_WORK", 0)
    with pytest.raises(Invalid, match="too long"):
        expectations.save(context, owner, many[:2])


@pytest.mark.usefixtures("pair")
def test_a_save_that_takes_too_long_to_check_needs_force(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.service.expectations.MOST_WORK", 0)
    rule = Rule(new_id(), Action.DENY, ANYONE, ANYONE, Protocol.UDP)
    with pytest.raises(ExpectationBroken, match="too long to find out"):
        policy.add_rule(context, owner, rule)
    policy.add_rule(context, owner, rule, force=True)


@pytest.mark.usefixtures("pair")
def test_one_expectation_is_added_and_removed(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    more = Expectation(GUESTS, ANYONE, Action.DENY)
    expectations.add(context, owner, more)
    assert last_entry(context, owner) == ("policy.expected", {"count": 3, "added": [more.sentence]})
    assert [each.expectation for each in expectations.get(context, owner)] == [CLOSED, OPEN, more]
    with pytest.raises(Conflict, match="there already"):
        expectations.add(context, owner, more)
    with pytest.raises(Invalid, match="does not exist"):
        expectations.add(context, owner, Expectation(DB, Selector(SelectorKind.MACHINE, "x"), Action.DENY))
    monkeypatch.setattr("appliance.service.expectations.MOST_WORK", 0)
    with pytest.raises(Invalid, match="too long"):
        expectations.add(context, owner, Expectation(DB, ANYONE, Action.DENY))
    expectations.remove(context, owner, CLOSED)
    assert last_entry(context, owner) == ("policy.expected", {"count": 2, "removed": [CLOSED.sentence]})
    with pytest.raises(NotFound, match="gone already"):
        expectations.remove(context, owner, CLOSED)
    assert [each.expectation for each in expectations.get(context, owner)] == [OPEN, more]


def test_expectations_added_at_the_same_time_are_all_kept(context: Context, owner: Actor) -> None:
    many = [Expectation(GUESTS, DB, Action.DENY, Protocol.TCP, port) for port in range(1, 9)]
    with ThreadPoolExecutor(len(many)) as people:
        list(people.map(lambda each: expectations.add(context, owner, each), many))
    assert {each.expectation for each in expectations.get(context, owner)} == set(many)


def test_one_more_expectation_than_the_limit_is_refused(context: Context, owner: Actor) -> None:
    many = [Expectation(GUESTS, DB, Action.DENY, Protocol.TCP, port) for port in range(1, MOST + 2)]
    expectations.save(context, owner, many[:-1])
    with pytest.raises(Invalid, match="at most 200"):
        expectations.add(context, owner, many[-1])
    expectations.remove(context, owner, many[0])
    expectations.add(context, owner, many[-1])
    assert [each.expectation for each in expectations.get(context, owner)] == many[1:]
