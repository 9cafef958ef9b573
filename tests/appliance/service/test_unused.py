"""Unused organizations: their definition, the time of their removal, and their bound in number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, update
from structlog.testing import capture_logs

from appliance.model.errors import TooMany
from appliance.service import Actor, Context, machines, organizations, suspension, unused
from appliance.service import log_in as login
from appliance.store import deletions, people, schema
from appliance.store import unused as stored
from tests.appliance.clocks import after
from tests.appliance.conftest import sign_up
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD

DAYS = timedelta(days=30)


def later(context: Context, waited: timedelta) -> Context:
    return replace(after(context, waited), unused_after=DAYS)


def removed(context: Context, hub: FakeHub, waited: timedelta = DAYS + timedelta(minutes=1)) -> bool:
    """Tells if the organization is removed at that time."""
    there = set(hub.enforced)
    count = unused.remove(later(context, waited))
    assert count == len(there - set(hub.enforced))
    return count == 1


@pytest.mark.usefixtures("owner")
def test_an_organization_left_alone_after_sign_up_is_removed(context: Context, hub: FakeHub) -> None:
    assert not removed(context, hub, DAYS - timedelta(minutes=1))
    assert unused.remove(replace(later(context, 10 * DAYS), unused_after=None)) == 0
    assert removed(context, hub)
    with context.store.read() as transaction:
        (tombstone,) = deletions.tombstones(transaction)
    assert tombstone.actor == "service"


@pytest.mark.usefixtures("owner")
def test_an_organization_that_can_t_be_removed_is_an_error(context: Context, hub: FakeHub) -> None:
    hub.refuses = True
    with capture_logs() as logged:
        assert not removed(context, hub)
    assert [each["event"] for each in logged if each["log_level"] == "error"] == [
        "a change could not be enforced",
        # Nor can the deletion be taken back there.
        "a change could not be enforced",
        "an unused organization is not removed yet",
    ]


def test_the_last_activity_counts(context: Context, hub: FakeHub, owner: Actor) -> None:
    machines.add(context, owner, name="mumbai")
    half = after(context, DAYS / 2)
    login.log_in(half, email="owner@example.net", password=PASSWORD)
    assert not removed(context, hub)
    assert not removed(context, hub, DAYS * 1.4)
    assert removed(context, hub, DAYS * 1.6)


def verify(context: Context, owner: Actor) -> None:
    with context.store.write() as transaction:
        people.verify(transaction, owner.member_id, context.clock())


def connect(context: Context, owner: Actor) -> None:
    machines.add(context, owner, name="mumbai")
    with context.store.write() as transaction:
        transaction.execute(update(schema.machines).values(endpoint="192.0.2.1:51820"))


def remove_a_machine(context: Context, owner: Actor) -> None:
    added = machines.add(context, owner, name="mumbai")
    machines.remove(context, owner, added.machine.id)


def pay(context: Context, owner: Actor) -> None:
    organizations.change(context, owner, plan="paid")


def suspend(context: Context, owner: Actor) -> None:
    suspension.suspend(context, Actor.operator(owner.organization_id))


@pytest.mark.parametrize("use", [verify, connect, remove_a_machine, pay, suspend])
def test_a_used_organization_stays(context: Context, owner: Actor, use: Callable[[Context, Actor], None]) -> None:
    use(context, owner)
    before = organizations_in(context)
    assert unused.remove(later(context, 100 * DAYS)) == 0
    assert organizations_in(context) == before


def organizations_in(context: Context) -> int:
    with context.store.read() as transaction:
        return len(transaction.execute(schema.organizations.select()).all())


def test_an_organization_used_at_the_last_moment_stays(
    context: Context, hub: FakeHub, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = stored.unused_since

    def and_then(transaction: Connection, until: datetime, most: int) -> Sequence[str]:
        found = since(transaction, until, most)
        connect(context, owner)
        return found

    monkeypatch.setattr(stored, "unused_since", and_then)
    assert unused.remove(later(context, 2 * DAYS)) == 0
    assert owner.organization_id in hub.enforced


@pytest.mark.usefixtures("owner")
def test_unused_organizations_are_bounded_in_number(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused, "MOST", 2)
    unused.check_room(context)
    another = sign_up(context, "another@example.net")
    with pytest.raises(TooMany):
        unused.check_room(context)
    connect(context, another)
    unused.check_room(context)


@pytest.mark.parametrize("effort", [pay, remove_a_machine])
def test_no_effort_of_a_script_makes_an_organization_used(
    context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch, effort: Callable[[Context, Actor], None]
) -> None:
    effort(context, owner)
    monkeypatch.setattr(unused, "MOST", 1)
    with pytest.raises(TooMany):
        unused.check_room(context)


@pytest.mark.usefixtures("owner")
def test_a_clock_that_is_set_forward_removes_no_organization(context: Context, hub: FakeHub) -> None:
    there, ahead = set(hub.enforced), replace(later(context, 400 * DAYS), removal_clock=context.clock)
    assert unused.remove(ahead) == 0
    assert set(hub.enforced) == there
