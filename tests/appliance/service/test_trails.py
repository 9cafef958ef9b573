"""Bounds of the audit trail: of an entry, of a day, and of the whole trail."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from appliance.model.errors import TooMany
from appliance.model.organization import Role
from appliance.model.retention import MOST_A_DAY, MOST_A_DAY_OF_ACCOUNTS, Retention
from appliance.service import (
    Actor,
    Context,
    api_tokens,
    invitations,
    log_in,
    machines,
    members,
    organizations,
    passkeys,
    password_change,
    sessions,
)
from appliance.service.recording import LATELY, MOST_OF_ACCOUNT
from appliance.service.trails import tidy
from appliance.store import Store, audit, schema, trails
from appliance.store import passkeys as passkeys_stored
from appliance.store.organizations import find
from appliance.store.passkeys import Passkey
from tests.appliance.authenticator import Authenticator
from tests.appliance.conftest import sign_up
from tests.appliance.members import PASSWORD, again, colleague
from tests.appliance.service.metering import organization_in
from tests.properties import examples

START = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def at(context: Context, days: float) -> Context:
    return replace(context, clock=lambda: START + timedelta(days=days))


def entries(store: Store, organization: str) -> list[tuple[float, int]]:
    """Returns moment and size of each entry, oldest first."""
    table = schema.audit
    with store.read() as transaction:
        rows = transaction.execute(
            select(table.c.at, table.c.size).where(table.c.organization_id == organization).order_by(table.c.id)
        )
        return [(row.at, row.size) for row in rows]


def check_size(store: Store, organization: str) -> None:
    """Checks that the stored size of the trail is the sum of its entries."""
    there = entries(store, organization)
    with store.read() as transaction:
        kept = trails.size_of(transaction, organization)
    assert (kept.entries, kept.bytes) == (len(there), sum(size for _, size in there))
    assert (kept.oldest is None) == (not there)
    if kept.oldest is not None:
        assert kept.oldest.timestamp() == there[0][0]


def written(store: Store, actor: Actor) -> int:
    """Returns the bytes of the day of `START` that count."""
    with store.read() as transaction:
        organization = find(transaction, actor.organization_id)
        assert organization is not None
        return trails.written_on(organization, START)


def write(context: Context, actor: Actor, count: int) -> None:
    for number in range(count):
        with context.store.write() as transaction:
            audit.record(transaction, actor.organization_id, "a", "policy.saved", {"version": number}, context.clock())


def test_old_entries_are_removed_in_portions_per_organization(context: Context) -> None:
    old, new = sign_up(at(context, 0), "old@example.net"), sign_up(at(context, 399), "new@example.net")
    write(at(context, 1), old, 20)
    write(at(context, 399), old, 5)
    theirs = entries(context.store, new.organization_id)
    later = at(context, 401.5)
    assert tidy(later, portion=4, portions=2) == 8
    check_size(context.store, old.organization_id)
    assert tidy(later, portion=4) > 10
    assert tidy(later) == 0
    check_size(context.store, old.organization_id)
    assert len(entries(context.store, old.organization_id)) == 5
    assert entries(context.store, new.organization_id) == theirs


def test_a_trail_that_is_too_long_keeps_its_newest_entries(context: Context, owner: Actor) -> None:
    write(context, owner, 50)
    before = entries(context.store, owner.organization_id)
    bound = sum(size for _, size in before[-30:])
    small = replace(context, retention=Retention(bytes=bound))
    assert tidy(small) == len(before) - 30
    assert entries(context.store, owner.organization_id) == before[-30:]
    check_size(context.store, owner.organization_id)


def test_a_wrong_stored_size_of_a_trail_is_corrected(context: Context, owner: Actor) -> None:
    """Corrects the size of an empty trail stored as long, so that it is not looked at again and again."""
    with context.store.write() as transaction:
        transaction.execute(schema.audit.delete())
        transaction.execute(schema.organizations.update().values(trail_bytes=10**12, trail_oldest_at=0.0))
    assert tidy(context) == 0
    check_size(context.store, owner.organization_id)


def fill_the_day(context: Context, size: int = MOST_A_DAY) -> None:
    """Has all organizations add this many bytes to their trails on the day of `START`."""
    day = int(START.timestamp() // 86_400)
    with context.store.write() as transaction:
        transaction.execute(schema.organizations.update().values(trail_day=day, trail_day_bytes=size))


def test_deciding_about_people_fills_a_day_s_share_at_most(context: Context, owner: Actor) -> None:
    """Bounds what gives rights; what takes them away always works, and there is no more of it."""
    now = at(context, 0)
    admin, viewer = (again(now, colleague(now, owner, role)) for role in (Role.ADMIN, Role.VIEWER))
    owner = again(now, owner)
    fill_the_day(context)
    before = entries(context.store, owner.organization_id)
    for rise in (
        lambda: members.change_role(now, owner, viewer.member_id, "admin"),
        lambda: members.transfer(now, owner, admin.member_id),
        lambda: invitations.invite(now, owner, email="new@example.net", role="viewer"),
    ):
        with pytest.raises(TooMany):
            rise()
    members.change_role(now, owner, viewer.member_id, "viewer")
    assert entries(context.store, owner.organization_id) == before
    members.change_role(now, owner, admin.member_id, "viewer")
    members.remove(now, owner, viewer.member_id)
    assert len(entries(context.store, owner.organization_id)) == len(before) + 2


def test_the_bytes_of_a_day_are_bounded_and_the_next_day_is_new(context: Context, owner: Actor) -> None:
    machine = machines.add(at(context, 0), owner, name="a").machine.id
    fill_the_day(context)
    before = machines.get(context, owner, machine), entries(context.store, owner.organization_id)
    with pytest.raises(TooMany) as refused:
        machines.change(at(context, 0), owner, machine, name="b")
    assert refused.value.retry_after == 12 * 3600 + 1
    assert (machines.get(context, owner, machine), entries(context.store, owner.organization_id)) == before
    assert context.refusals == {"trail": 1}
    # Sessions are still ended, the operator still acts, and others are not concerned.
    sessions.end_others(at(context, 0), owner, "mws_none")
    organizations.change(at(context, 0), Actor.operator(owner.organization_id), plan="paid")
    other = sign_up(at(context, 0), "other@example.net")
    machines.add(at(context, 0), other, name="c")
    tomorrow = at(context, 0.51)
    machines.change(tomorrow, again(tomorrow, owner), machine, name="b")


def test_a_viewer_fills_a_quarter_of_a_day_s_share_at_most(context: Context, owner: Actor) -> None:
    """Fills it with names of a passkey, and goes on to sign in: others make changes all the same."""
    now = replace(at(context, 0), site="https://mesh.example.net")
    viewer, owner = again(now, colleague(now, owner, Role.VIEWER)), again(now, owner)
    passkey = Passkey("p", viewer.member_id, b"p", b"", 0, "a", START)
    with context.store.write() as transaction:
        passkeys_stored.create(transaction, passkey)
    passkeys.rename(now, viewer, "p", name="b")
    fill_the_day(context, MOST_A_DAY_OF_ACCOUNTS)
    with pytest.raises(TooMany):
        passkeys.rename(now, viewer, "p", name="c")
    with pytest.raises(TooMany):
        api_tokens.issue(now, viewer, name="ci", scope="read", password=PASSWORD)
    before = written(context.store, owner)
    for _ in range(5):
        log_in.log_in(now, email=viewer.email, password=PASSWORD)
    sessions.end_others(now, viewer, "mws_none")
    assert written(context.store, owner) == before
    assert [entry.action for entry in organizations.trail(now, owner, limit=6)[0]] == [
        "session.ended",
        *["session.opened"] * 5,
    ]
    machines.add(now, owner, name="a")
    assert written(context.store, owner) > before
    check_size(context.store, owner.organization_id)


def test_no_member_adds_many_entries_at_will_to_a_full_day(context: Context, owner: Actor) -> None:
    """Has a member sign in again and again, who can do so again some minutes later, and on the next day."""
    now = replace(at(context, 0), site="https://mesh.example.net")
    viewer, other = colleague(now, owner, Role.VIEWER), colleague(now, owner, Role.VIEWER)

    def sign_in(now: Context, member: Actor = viewer) -> None:
        log_in.log_in(now, email=member.email, password=PASSWORD)

    for _ in range(MOST_OF_ACCOUNT):
        sign_in(now)
    sign_in(now)
    fill_the_day(context, MOST_A_DAY_OF_ACCOUNTS)
    before = entries(context.store, owner.organization_id)
    mine, fresh = again(now, viewer), "another battery staple"
    for more in (
        lambda: sign_in(now),
        lambda: password_change.change(now, mine, password=PASSWORD, new_password=fresh),
    ):
        with pytest.raises(TooMany) as refused:
            more()
        assert refused.value.retry_after == LATELY.total_seconds()
    assert entries(context.store, owner.organization_id) == before
    assert now.refusals == {"trail": 2}
    sign_in(now, other)
    later = replace(now, clock=lambda: START + LATELY + timedelta(seconds=1))
    for _ in range(MOST_OF_ACCOUNT):
        sign_in(later)
    with pytest.raises(TooMany):
        sign_in(later)
    sign_in(replace(now, clock=lambda: START + timedelta(days=0.5)))


def test_no_passkey_is_added_when_the_day_s_share_is_full(context: Context, owner: Actor) -> None:
    now = replace(at(context, 0), site="https://mesh.example.net")
    owner = again(now, owner)
    made = Authenticator("https://mesh.example.net").create(passkeys.begin_adding(now, owner, "a browser"))
    fill_the_day(context)
    with pytest.raises(TooMany):
        passkeys.add(now, owner, "a browser", password=PASSWORD, name="a", credential=made)
    assert passkeys.all_of(now, owner) == []


def test_a_change_of_groups_tells_what_changed(context: Context, owner: Actor) -> None:
    many = [f"group {number}" for number in range(30)]
    machine = machines.add(context, owner, name="a", groups=many).machine.id
    machines.change(context, owner, machine, groups=[*many[1:], "new"])
    machines.change(context, owner, machine, name="b")
    (renamed, regrouped), _ = organizations.trail(context, owner, limit=2)
    assert regrouped.detail == {"machine": machine, "name": "a", "joined": ["new"], "left": ["group 0"]}
    assert renamed.detail == {"machine": machine, "name": "b", "previous_name": "a"}


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.integers(1, 9)), max_size=30))
@examples(40)
def test_the_days_bytes_are_those_of_the_last_day(steps: list[tuple[int, int]]) -> None:
    """Sets the clock to any times: a day's bytes are those written since the clock came to that day."""
    with organization_in() as (transaction, organization):
        day, count = None, 0
        for days, size in steps:
            moment = START + timedelta(days=days)
            trails.note(transaction, organization, size, moment)
            count = count + size if day == days else size
            day = days
            found = find(transaction, organization)
            assert found is not None
            assert trails.written_on(found, moment) == count
        total = transaction.execute(select(func.sum(schema.organizations.c.trail_bytes))).scalar_one()
        assert total == sum(size for _, size in steps)
