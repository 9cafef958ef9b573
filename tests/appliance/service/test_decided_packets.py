"""Packets by hour and by day: nothing is counted twice, and what is kept has bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from appliance.hub.errors import HubError, HubUnreachable
from appliance.model.desired import RuleCount
from appliance.model.errors import Unavailable
from appliance.service import Actor, Context, decided_packets, deletion
from appliance.service.count_baselines import Baselines
from appliance.service.decided_packets import DAY, HOUR, KEPT_HOURS
from appliance.store import Store, schema
from appliance.store import decided_packets as rows
from tests.appliance.clocks import WallClock
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub

AN_HOUR = timedelta(hours=1)


@pytest.fixture
def context(context: Context, clock: WallClock) -> Context:
    return replace(context, clock=clock)


def count(hub: FakeHub, **packets: int) -> None:
    """Sets the counters; the name "default" is the default's."""
    hub.counts = [RuleCount(None if rule == "default" else rule, each, 100 * each) for rule, each in packets.items()]


def stored(store: Store) -> int:
    with store.read() as transaction:
        return transaction.execute(select(func.count()).select_from(schema.decided_packets)).scalar_one()


def test_what_is_new_in_each_hour_is_kept(context: Context, owner: Actor, hub: FakeHub, clock: WallClock) -> None:
    for default, rule in ((5, 1), (7, 1), (7, 1), (9, 4)):
        count(hub, default=default, r=rule)
        decided_packets.note(context)
        # Once in an hour, however often it is called.
        assert decided_packets.note(context) == 0
        clock.wait(AN_HOUR)
    by_hour, by_day = decided_packets.courses(context, owner, None)
    assert by_hour.steps[-5:] == (2, 0, 2, 0, 0)
    assert by_hour.begin(len(by_hour.steps) - 1) == clock.now
    assert (by_day.steps[-1], sum(by_day.steps)) == (4, 4)
    assert decided_packets.courses(context, owner, "r")[0].steps[-3] == 3
    assert sum(decided_packets.courses(context, owner, "other")[0].steps) == 0


def test_steps_without_a_packet_take_no_room(context: Context, owner: Actor, hub: FakeHub, clock: WallClock) -> None:
    del owner
    for _ in range(3):
        count(hub, default=5)
        decided_packets.note(context)
        clock.wait(AN_HOUR)
    assert stored(context.store) == 0


def test_a_counter_that_begins_anew_is_counted(context: Context, owner: Actor, hub: FakeHub, clock: WallClock) -> None:
    for default in (50, 3):
        count(hub, default=default)
        decided_packets.note(context)
        clock.wait(AN_HOUR)
    assert decided_packets.courses(context, owner, None)[0].steps[-3:] == (3, 0, 0)


def test_nothing_is_said_of_hours_nobody_looked_at(
    context: Context, owner: Actor, hub: FakeHub, clock: WallClock
) -> None:
    count(hub, default=1)
    decided_packets.note(context)
    clock.wait(3 * AN_HOUR)
    count(hub, default=100)
    assert decided_packets.note(context) == 0
    clock.wait(AN_HOUR)
    count(hub, default=101)
    assert decided_packets.note(context) == 1
    assert sum(decided_packets.courses(context, owner, None)[0].steps) == 1


def test_old_steps_are_removed(context: Context, owner: Actor, hub: FakeHub, clock: WallClock) -> None:
    for packets in (1, 2):
        count(hub, default=packets)
        decided_packets.note(context)
        clock.wait(AN_HOUR)
    assert stored(context.store) == 2
    end = clock.now
    for days, left in ((6, 2), (7, 1), (89, 1), (91, 0)):
        clock.now = end + timedelta(days=days)
        decided_packets.note(context)
        assert stored(context.store) == left, days
    assert len(decided_packets.courses(context, owner, None)[0].steps) == KEPT_HOURS[HOUR]
    assert len(decided_packets.courses(context, owner, None)[1].steps) == KEPT_HOURS[DAY] // DAY


def test_one_organization_s_failure_leaves_the_others(
    context: Context, owner: Actor, hub: FakeHub, clock: WallClock
) -> None:
    other = sign_up(context, "eve@example.net")
    broken, asked = owner.organization_id, list[str]()

    def counters(organization: str) -> Sequence[RuleCount]:
        asked.append(organization)
        if organization == broken:
            raise HubError("it is repaired")
        return [RuleCount(None, len(asked), 0)]

    hub.counters = counters  # type: ignore[method-assign]
    decided_packets.note(context)
    clock.wait(AN_HOUR)
    assert decided_packets.note(context) == 1
    assert sum(decided_packets.courses(context, other, None)[0].steps) > 0
    assert sum(decided_packets.courses(context, owner, None)[0].steps) == 0


def sign_up_others(context: Context, hub: FakeHub, clock: WallClock) -> list[Actor]:
    """Signs up two more organizations; all have decided about one packet that is noted, and two an hour later."""
    others = [sign_up(context, f"eve{number}@example.net") for number in range(2)]
    count(hub, default=1)
    decided_packets.note(context)
    clock.wait(AN_HOUR)
    count(hub, default=3)
    return others


def test_one_organization_s_broken_step_leaves_the_others(
    context: Context, owner: Actor, hub: FakeHub, clock: WallClock
) -> None:
    others = sign_up_others(context, hub, clock)
    assert decided_packets.note(context) == 3
    with context.store.write() as transaction:
        table = schema.decided_packets
        broken = table.c.organization_id == owner.organization_id
        transaction.execute(update(table).where(broken).values(packets="["))
    clock.wait(AN_HOUR)
    count(hub, default=6)
    assert decided_packets.note(context) == 2
    for actor in others:
        assert decided_packets.courses(context, actor, None)[0].steps[-3:] == (2, 3, 0)


def test_a_store_that_is_gone_costs_one_hour(
    context: Context, owner: Actor, hub: FakeHub, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = sign_up_others(context, hub, clock)
    tries = []

    def write() -> NoReturn:
        tries.append(1)
        raise Unavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(context.store, "write", write)
        with pytest.raises(Unavailable):
            decided_packets.note(context)
    assert len(tries) == 2
    clock.wait(AN_HOUR)
    count(hub, default=6)
    assert decided_packets.note(context) == 3
    for actor in (owner, *others):
        assert decided_packets.courses(context, actor, None)[0].steps[-3:] == (0, 3, 0)


def test_a_hub_that_is_gone_is_asked_once_an_hour(
    context: Context, owner: Actor, hub: FakeHub, clock: WallClock
) -> None:
    del owner
    sign_up(context, "eve@example.net")
    asked = []

    def counters(organization: str) -> Sequence[RuleCount]:
        asked.append(organization)
        raise HubUnreachable("gone")

    hub.counters = counters  # type: ignore[method-assign]
    for _ in range(2):
        assert decided_packets.note(context) == 0
        assert decided_packets.note(context) == 0
        clock.wait(AN_HOUR)
    assert len(asked) == 2


def test_a_removed_organization_leaves_nothing(context: Context, owner: Actor, hub: FakeHub, clock: WallClock) -> None:
    for packets in (1, 2):
        count(hub, default=packets)
        decided_packets.note(context)
        clock.wait(AN_HOUR)
    deletion.delete(context, owner, confirm="acme-networks")
    assert stored(context.store) == 0


def test_a_step_keeps_the_rules_with_the_most_packets(context: Context, owner: Actor) -> None:
    many: dict[str | None, int] = {f"r{number}": number for number in range(1, rows.MOST_RULES + 50)}
    with context.store.write() as transaction:
        rows.add(transaction, owner.organization_id, HOUR, 100, many)
        rows.add(transaction, owner.organization_id, HOUR, 100, {"r1": 5, None: 10_000})
        (step,) = rows.load(transaction, owner.organization_id, HOUR, 100).values()
    assert len(step) == rows.MOST_RULES
    assert step[None] == 10_000
    assert step[f"r{rows.MOST_RULES + 49}"] == rows.MOST_RULES + 49


def test_baselines_have_room_for_a_bounded_number_of_counts() -> None:
    made = Baselines(most_counts=3)
    counts = {None: RuleCount(None, 5, 0), "r": RuleCount("r", 5, 0)}
    more = {rule: replace(each, packets=9) for rule, each in counts.items()}
    assert made.begin(1)
    assert made.compare("a", counts) == made.compare("b", counts) == {}
    assert made.left_out == 1
    assert made.begin(2)
    assert made.compare("a", more) == {None: 4, "r": 4}
    assert made.compare("b", more) == {}


def test_an_organization_with_many_counts_makes_room_for_others() -> None:
    made = Baselines(most_counts=4)

    def counts(rules: int, packets: int) -> dict[str | None, RuleCount]:
        return {f"r{number}": RuleCount(f"r{number}", packets, 0) for number in range(rules)}

    sizes = {"large": 4, "a": 1, "b": 2, "larger": 5, "c": 1}
    assert made.begin(1)
    for organization, rules in sizes.items():
        assert made.compare(organization, counts(rules, 5)) == {}
    assert made.left_out == 2
    assert made.begin(2)
    known = {each: made.compare(each, counts(rules, 6)) for each, rules in sizes.items()}
    assert known == {"large": {}, "a": {"r0": 1}, "b": {"r0": 1, "r1": 1}, "larger": {}, "c": {"r0": 1}}


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_hours_add_up_to_the_growth(growth: list[int]) -> None:
    made, total, found = Baselines(), 0, 0
    for hour, more in enumerate([0, *growth]):
        total += more
        assert made.begin(hour)
        found += made.compare("a", {None: RuleCount(None, total, 0)}).get(None, 0)
    assert found == total
