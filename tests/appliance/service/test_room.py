"""Near the end of the store's disk nothing new is taken, and everything that people need in trouble goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from appliance.model.errors import NoRoom
from appliance.model.organization import Plan
from appliance.model.policy import ANYONE, Action, Policy, Rule
from appliance.model.sign_up import SignUpMode
from appliance.service import (
    Actor,
    Context,
    accounts,
    deletion,
    log_in,
    machines,
    organizations,
    permits,
    policy,
    recording,
    repeats,
    suspension,
)
from appliance.service.room import MOST_RESERVE, is_low
from appliance.store import Store
from appliance.store.repeats import StoredAnswer
from appliance.store.size import DiskUse
from tests.appliance.conftest import sign_up
from tests.appliance.databases import on_postgresql
from tests.appliance.disks import fill, small_disk
from tests.appliance.fakes import FakeHub
from tests.appliance.members import PASSWORD
from tests.appliance.sites import make_store

LEFT = 6 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Provides a file system of 128 MiB, of which 6.4 are kept."""
    with small_disk(tmp_path, "128m") as folder:
        yield folder


@pytest.fixture
def before(disk: Path, hub: FakeHub) -> Iterator[Context]:
    """Provides a service on that disk, which has room."""
    store = make_store(disk / "store.sqlite")
    yield Context(store, hub, "vpn.example.net:51820")
    store.close()


@pytest.fixture
def owner(before: Context) -> Actor:
    return sign_up(before, "owner@example.net")


@pytest.fixture
def machine(before: Context, owner: Actor) -> str:
    """Provides a machine of the organization."""
    return machines.add(before, owner, name="mumbai").machine.id


@pytest.fixture
def context(disk: Path, before: Context, machine: str) -> Context:
    """Provides the same service once its disk is nearly full."""
    del machine
    assert not before.room.is_low()
    filler = fill(disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - LEFT)
    # Another one looks anew.
    return replace(before)


def deny(number: int, description: str = "") -> Rule:
    return Rule(f"r{number}", Action.DENY, ANYONE, ANYONE, description=description)


def test_nothing_new_is_taken(context: Context, owner: Actor) -> None:
    with pytest.raises(NoRoom, match="nobody can sign up"):
        accounts.sign_up(context, email="new@example.net", password=PASSWORD, organization="bolt")
    with pytest.raises(NoRoom, match="nobody can sign up"):
        permits.ask(replace(context, sign_up=SignUpMode.VERIFIED), "new@example.net")
    with pytest.raises(NoRoom, match="nothing new"):
        machines.add(context, owner, name="pune")
    with pytest.raises(NoRoom, match="nothing new"):
        policy.save(context, owner, Policy(Action.ALLOW, tuple(deny(number, "x" * 500) for number in range(20))))
    assert policy.get(context, owner).policy == Policy()
    assert len(machines.page(context, owner)[0]) == 1


def test_refusals_are_counted_and_logged_once(context: Context, owner: Actor) -> None:
    with capture_logs() as logs:
        for _ in range(5):
            with pytest.raises(NoRoom):
                machines.add(context, owner, name="pune")
    assert context.refusals["room"] == 5
    assert [each["event"] for each in logs if each["log_level"] == "error"] == [
        "the store's disk is nearly full, so nothing new is taken"
    ]


def test_people_can_do_what_they_need_in_trouble(context: Context, owner: Actor, machine: str, hub: FakeHub) -> None:
    log_in.log_in(context, email="owner@example.net", password=PASSWORD)
    policy.add_rule(context, owner, deny(1))
    policy.save(context, owner, Policy(Action.DENY, (deny(1),)))
    machines.change(context, owner, machine, enabled=False)
    machines.remove(context, owner, machine)
    assert hub.enforced[owner.organization_id].policy.default is Action.DENY
    assert hub.enforced[owner.organization_id].peers == ()


def test_operators_suspend_and_owners_delete(context: Context, owner: Actor, hub: FakeHub) -> None:
    operator = Actor.operator(owner.organization_id)
    suspension.suspend(context, operator)
    assert hub.enforced == {}
    suspension.resume(context, operator)
    session = log_in.log_in(context, email="owner@example.net", password=PASSWORD)
    deletion.delete(context, accounts.actor_of(context, session.token), confirm="acme-networks")
    assert hub.enforced == {}


def test_changes_have_a_ration(context: Context, owner: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "RATION", 2000)

    def change_again_and_again() -> None:
        for number in range(100):
            policy.save(context, owner, Policy(Action.DENY if number % 2 else Action.ALLOW))

    with pytest.raises(NoRoom, match="used up what it may change"):
        change_again_and_again()
    # Beyond it one can still sign in.
    log_in.log_in(context, email="owner@example.net", password=PASSWORD)


def test_no_answer_is_kept_for_a_repetition(context: Context, owner: Actor) -> None:
    def work(_: Actor) -> StoredAnswer:
        return StoredAnswer(200, None, b"x" * 100)

    for _ in range(2):
        assert repeats.idempotent(context, owner, key="k", request=b"r", work=work) is None


def test_all_is_taken_again_when_there_is_room(disk: Path, context: Context, owner: Actor) -> None:
    assert context.room.is_low()
    (disk / "filler").unlink()
    after = replace(context)
    organizations.change(after, owner, plan=Plan.PAID.value)
    machines.add(after, owner, name="pune")
    sign_up(after, "new@example.net")


def test_entries_that_are_removed_make_room(disk: Path, before: Context, owner: Actor) -> None:
    """Fills the file itself; it does not shrink again, but grows no more until its free pages are used up."""
    with before.store.write() as transaction:
        transaction.exec_driver_sql("CREATE TABLE large (content BLOB)")
        transaction.exec_driver_sql("INSERT INTO large VALUES (zeroblob(5000000))")
    before.store.scrub()
    filler = fill(disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - LEFT)
    assert replace(before).room.is_low()
    with before.store.write() as transaction:
        transaction.exec_driver_sql("DROP TABLE large")
    before.store.scrub()
    machines.add(replace(before), owner, name="mumbai")


def test_the_reserve_is_a_part_of_the_disk_and_bounded() -> None:
    small, large = 10**9, 10**12
    assert [is_low(DiskUse(0, free, small)) for free in (small // 20 - 1, small // 20)] == [True, False]
    assert [is_low(DiskUse(0, free, large)) for free in (MOST_RESERVE - 1, MOST_RESERVE)] == [True, False]
    assert not is_low(DiskUse(0, 0, small, reusable=small // 20))


@on_postgresql
def test_a_server_s_disk_is_its_own_matter(store: Store, hub: FakeHub) -> None:
    assert not Context(store, hub, "vpn.example.net:51820").room.is_low()
