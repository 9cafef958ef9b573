"""Organizations that nobody uses: which these are, when they go, and how many there may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, update

from appliance.model.errors import TooMany
from appliance.service import Actor, Workplace, machines, organizations, suspension, unused
from appliance.service import log_in as login
from appliance.store import deletions, people, schema
from appliance.store import unused as stored
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub

DAYS = timedelta(days=30)


def later(workplace: Workplace, after: timedelta) -> Workplace:
    return replace(workplace, clock=lambda: workplace.clock() + after, unused_after=DAYS)


def removed(workplace: Workplace, hub: FakeHub, after: timedelta = DAYS + timedelta(minutes=1)) -> bool:
    """Whether an organization goes at that time."""
    there = set(hub.enforced)
    count = unused.remove(later(workplace, after))
    assert count == len(there - set(hub.enforced))
    return count == 1


@pytest.mark.usefixtures("owner")
def test_one_that_was_signed_up_and_left_alone_goes(workplace: Workplace, hub: FakeHub) -> None:
    assert not removed(workplace, hub, DAYS - timedelta(minutes=1))
    assert unused.remove(replace(later(workplace, 10 * DAYS), unused_after=None)) == 0
    assert removed(workplace, hub)
    with workplace.store.read() as transaction:
        (tombstone,) = deletions.tombstones(transaction)
    assert tombstone.actor == "service"


def test_the_last_sign_of_life_counts(workplace: Workplace, hub: FakeHub, owner: Actor) -> None:
    machines.add(workplace, owner, name="mumbai")
    half = replace(workplace, clock=lambda: workplace.clock() + DAYS / 2)
    login.at_once(half, email="owner@example.net", password="correct horse battery")
    assert not removed(workplace, hub)
    assert not removed(workplace, hub, DAYS * 1.4)
    assert removed(workplace, hub, DAYS * 1.6)


def verify(workplace: Workplace, owner: Actor) -> None:
    with workplace.store.write() as transaction:
        people.verify(transaction, owner.member_id, workplace.clock())


def connect(workplace: Workplace, owner: Actor) -> None:
    machines.add(workplace, owner, name="mumbai")
    with workplace.store.write() as transaction:
        transaction.execute(update(schema.machines).values(endpoint="192.0.2.1:51820"))


def remove_a_machine(workplace: Workplace, owner: Actor) -> None:
    added = machines.add(workplace, owner, name="mumbai")
    machines.remove(workplace, owner, added.machine.id)


def pay(workplace: Workplace, owner: Actor) -> None:
    organizations.change(workplace, owner, plan="paid")


def suspend(workplace: Workplace, owner: Actor) -> None:
    suspension.suspend(workplace, owner.organization_id)


@pytest.mark.parametrize("use", [verify, connect, remove_a_machine, pay, suspend])
def test_what_was_used_stays(workplace: Workplace, owner: Actor, use: Callable[[Workplace, Actor], None]) -> None:
    use(workplace, owner)
    before = organizations_in(workplace)
    assert unused.remove(later(workplace, 100 * DAYS)) == 0
    assert organizations_in(workplace) == before


def organizations_in(workplace: Workplace) -> int:
    with workplace.store.read() as transaction:
        return len(transaction.execute(schema.organizations.select()).all())


def test_one_that_comes_to_life_at_the_last_moment_stays(
    workplace: Workplace, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = stored.since

    def and_then(transaction: Connection, until: datetime, most: int) -> Sequence[str]:
        found = since(transaction, until, most)
        connect(workplace, owner)
        return found

    monkeypatch.setattr(stored, "since", and_then)
    assert unused.remove(later(workplace, 2 * DAYS)) == 0
    assert owner.organization_id in hub.enforced


@pytest.mark.usefixtures("owner")
def test_strangers_leave_only_so_many_unused(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused, "MOST", 2)
    unused.check_room(workplace)
    another = sign_up(workplace, "another@example.net")
    with pytest.raises(TooMany):
        unused.check_room(workplace)
    connect(workplace, another)
    unused.check_room(workplace)
