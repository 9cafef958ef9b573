"""A clock that is set back extends no lifetime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Float, select, update

from appliance.model.errors import Refused, Unauthenticated
from appliance.service import Actor, Context, accounts, machines, organizations, sessions, setbacks, tickets
from appliance.service.trails import tidy
from appliance.store import Store, audit, instance, people, schema
from appliance.store import addresses as released
from appliance.store import mail as letters
from appliance.store import setbacks as stored
from appliance.store.instance import Instance
from appliance.store.tickets import TicketKind
from appliance.vault import Lock
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD
from tests.properties import sharing_fixtures

START = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@dataclass
class Host:
    """A host with a clock that can be set."""

    wall: datetime = START
    steady: float = 1000.0
    boot: str = "first"
    seen: list[timedelta | None] = field(default_factory=list)

    def passes(self, time: timedelta) -> None:
        self.wall, self.steady = self.wall + time, self.steady + time.total_seconds()

    def settle(self, context: Context) -> timedelta | None:
        return setbacks.settle(context, lambda: self.steady, lambda: self.boot)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def here(context: Context, host: Host) -> Context:
    """Provides a context on the host, after a first look at its clock."""
    with context.store.write() as transaction:
        instance.create(transaction, Instance("abc", Lock(b"s" * 16, 2, 8, 1, b"p")))
    made = replace(context, clock=lambda: host.wall)
    host.settle(made)
    return made


def test_a_session_keeps_its_lifetime_when_the_clock_is_set_back(here: Context, host: Host) -> None:
    """Sets the clock back by any amounts, any number of times."""
    session, _ = accounts.sign_up(here, email="a@example.net", password=PASSWORD, organization="acme", network=None)
    for _ in range(27):
        host.passes(sessions.IDLE - HOUR)
        sessions.holder(here, session.token)
        host.wall -= 30 * HOUR
        assert host.settle(here) == 30 * HOUR
    host.passes(timedelta(days=14) - 27 * (sessions.IDLE - HOUR) - timedelta(minutes=1))
    # Not idle: it was used in time, and ends all the same.
    with here.store.write() as transaction:
        transaction.execute(update(schema.sessions).values(last_seen_at=host.wall.timestamp()))
    sessions.holder(here, session.token)
    host.passes(timedelta(minutes=2))
    with pytest.raises(Unauthenticated):
        sessions.holder(here, session.token)


def test_an_idle_session_ends_although_the_clock_was_set_back(here: Context, host: Host) -> None:
    session, _ = accounts.sign_up(here, email="a@example.net", password=PASSWORD, organization="acme", network=None)
    host.passes(6 * HOUR)
    host.wall -= 5 * HOUR
    host.settle(here)
    host.passes(6 * HOUR - timedelta(minutes=1))
    sessions_left = len(sessions.all_of(here, accounts.actor_of(replace(here), session.token), session.token))
    assert sessions_left == 1
    host.passes(sessions.IDLE + timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        sessions.holder(here, session.token)


@pytest.mark.parametrize("kind", list(TicketKind))
def test_a_link_keeps_its_lifetime_when_the_clock_is_set_back(here: Context, host: Host, kind: TicketKind) -> None:
    owner = sign_up(here, "owner@example.net")
    with here.store.write() as transaction:
        member = people.by_id(transaction, owner.member_id)
        assert member is not None
        token = tickets.issue(here, transaction, member, kind)
    host.wall -= timedelta(days=400)
    host.settle(here)
    host.passes(tickets.LIFETIMES[kind] - timedelta(seconds=1))
    with here.store.read() as transaction:
        tickets.holder(here, transaction, token, kind)
    host.passes(timedelta(seconds=2))
    with here.store.read() as transaction, pytest.raises(Refused):
        tickets.holder(here, transaction, token, kind)


def test_after_another_boot_a_session_lasts_its_lifetime_at_most(here: Context, host: Host) -> None:
    session, _ = accounts.sign_up(here, email="a@example.net", password=PASSWORD, organization="acme", network=None)
    host.wall, host.steady, host.boot = START - timedelta(days=3650), 5.0, "second"
    assert host.settle(here) is None
    sessions.holder(here, session.token)
    host.passes(sessions.IDLE + timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        sessions.holder(here, session.token)


def test_a_released_address_is_quiet_for_exactly_an_hour(here: Context, host: Host) -> None:
    owner = sign_up(here, "owner@example.net")
    first = machines.add(here, owner, name="a").machine
    machines.remove(here, owner, first.id)
    host.wall -= timedelta(days=1)
    host.settle(here)
    assert machines.add(here, owner, name="b").machine.address == first.address + 1
    host.passes(HOUR + timedelta(seconds=1))
    with here.store.read() as transaction:
        assert released.released_since(transaction, owner.organization_id, host.wall - HOUR) == []


def test_a_queued_letter_is_not_delayed_by_a_clock_set_back(here: Context, host: Host) -> None:
    with here.store.write() as transaction:
        letters.queue(transaction, None, "sign-up", "somebody", host.wall + 6 * HOUR)
    host.wall -= timedelta(days=9)
    host.settle(here)
    host.passes(6 * HOUR)
    with here.store.read() as transaction:
        assert letters.waiting(transaction, host.wall)


def test_times_move_once_and_only_when_the_clock_is_set_back(here: Context, host: Host) -> None:
    sign_up(here, "owner@example.net")
    host.wall += 5 * HOUR
    assert host.settle(here) is None
    before = ends(here.store)
    host.wall -= 2 * HOUR
    assert [host.settle(here) for _ in range(3)] == [2 * HOUR, None, None]
    assert [then - now for then, now in zip(before, ends(here.store), strict=True)] == [7200.0] * len(before)


def ends(store: Store) -> list[float]:
    with store.read() as transaction:
        return [each for row in transaction.execute(select(schema.sessions.c.expires_at)) for each in row]


@given(steps=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e5)), max_size=6))
@sharing_fixtures(25)
def test_no_session_outlives_its_time_however_the_clock_is_set(
    context_with: Callable[[Host], Context], steps: list[tuple[float, float]]
) -> None:
    host = Host()
    here = context_with(host)
    (end,) = ends(here.store)
    left = end - host.wall.timestamp()
    for step, passing in steps:
        host.wall += timedelta(seconds=step)
        host.settle(here)
        host.passes(timedelta(seconds=passing))
        left -= passing
        (end,) = ends(here.store)
        # A set-back of less than a second is not heard of until it has come to one.
        assert end - host.wall.timestamp() <= left + 1.1


@pytest.fixture
def context_with(here: Context) -> Callable[[Host], Context]:
    """Returns a function that makes a context on another host, whose store has a session that just began."""
    owner = sign_up(here, "owner@example.net")

    def make(host: Host) -> Context:
        with here.store.write() as transaction:
            moment = host.wall.timestamp()
            transaction.execute(update(schema.sessions).values(last_seen_at=moment, expires_at=moment + 14 * 86_400))
            transaction.execute(update(schema.instance).values(clock_boot=None, clock_offset=None))
        made = replace(here, clock=lambda: host.wall)
        host.settle(made)
        return made

    assert owner
    return make


def test_old_audit_entries_go_even_with_some_of_the_future(here: Context, host: Host) -> None:
    owner = sign_up(here, "owner@example.net")
    host.wall += timedelta(days=3650)
    machines.add(here, again(here, owner), name="of the future")
    host.wall -= timedelta(days=3650)
    host.settle(here)
    for number in range(3):
        machines.change(here, again(here, owner), machine_of(here, owner), name=f"m{number}")
    host.passes(timedelta(days=here.retention.days + 1))
    assert tidy(here) >= 4
    assert organizations.trail(here, again(here, owner))[0] == []


def machine_of(here: Context, owner: Actor) -> str:
    return machines.page(here, owner)[0][0].machine.id


def again(here: Context, owner: Actor) -> Actor:
    """Returns the owner, signed in at this moment."""
    with here.store.write() as transaction:
        member = people.by_id(transaction, owner.member_id)
        assert member is not None
        token = sessions.begin(here, transaction, member, sessions.NOWHERE).token
    return accounts.actor_of(here, token)


def test_notices_of_the_future_hold_back_none_of_today(here: Context, host: Host) -> None:
    owner = sign_up(here, "owner@example.net")
    with here.store.write() as transaction:
        for _ in range(9):
            later = host.wall + timedelta(days=1)
            audit.record(transaction, owner.organization_id, owner.email, "passkey.added", {}, later)
        found = audit.count_since(
            transaction, owner.organization_id, owner.email, ("passkey.added",), host.wall - HOUR, host.wall
        )
    assert found == 0


def test_each_time_of_the_schema_is_in_one_list() -> None:
    columns = [column for table in schema.metadata.sorted_tables for column in table.c]
    listed = [str(each) for each in (*stored.MOVED, *stored.BOUNDED, *stored.RECORDS, *stored.WAITED_FOR)]
    assert sorted(listed) == sorted(str(column) for column in columns if isinstance(column.type, Float))
    assert {str(each) for each in setbacks.LONGEST} <= set(listed)
