"""A former owner of a shard writes nothing for it any more."""

from __future__ import annotations

import threading

import pytest

from appliance.model.errors import Unavailable
from appliance.service import Actor, Context, machines
from appliance.service import organizations as service
from appliance.store import Store, organizations, shards
from appliance.store.shards import Fence, Fenced, Shard
from tests.appliance.conftest import sign_up
from tests.appliance.databases import on_postgresql
from tests.waiting import DEADLINE, wait_until

_SHARD = Shard("abc", "192.0.2.1", 51820)


@pytest.fixture
def owned(store: Store, database: str) -> Store:
    """Provides the store as the first owner of a shard opens it."""
    with store.write() as transaction:
        shards.create(transaction, _SHARD)
        shards.begin(transaction, Fence(_SHARD.id, 7))
    opened = Store(database)
    opened.fence = Fence(_SHARD.id, 7)
    return opened


def name_of(store: Store, actor: Actor) -> str:
    with store.read() as transaction:
        return organizations.names(transaction)[actor.organization_id]


def rename(store: Store, actor: Actor, name: str) -> None:
    with store.write() as transaction:
        found = organizations.find(transaction, actor.organization_id)
        assert found is not None
        organizations.change(transaction, actor.organization_id, name=name, plan=found.plan)


def test_a_former_owner_s_write_is_refused_whole(store: Store, owned: Store, owner: Actor) -> None:
    rename(owned, owner, "first")
    assert name_of(store, owner) == "first"
    with store.write() as transaction:
        shards.begin(transaction, Fence(_SHARD.id, 8))
    with pytest.raises(Fenced):
        rename(owned, owner, "second")
    assert name_of(store, owner) == "first"
    owned.fence = Fence(_SHARD.id, 8)
    rename(owned, owner, "third")
    assert name_of(store, owner) == "third"
    owned.close()


def test_a_token_that_comes_late_begins_nothing(store: Store, owned: Store) -> None:
    with pytest.raises(Fenced), store.write() as transaction:
        shards.begin(transaction, Fence(_SHARD.id, 6))
    with pytest.raises(Fenced), store.write() as transaction:
        shards.begin(transaction, Fence("xyz", 9))
    # A process that was started again begins anew with the same token.
    with store.write() as transaction:
        shards.begin(transaction, Fence(_SHARD.id, 7))
    owned.close()


@on_postgresql
def test_a_write_that_is_under_way_loses_to_the_next_owner(store: Store, owned: Store, owner: Actor) -> None:
    def write() -> None:
        with owned.write() as transaction:
            found = organizations.find(transaction, owner.organization_id)
            assert found is not None
            organizations.change(transaction, owner.organization_id, name="late", plan=found.plan)
            with store.write() as other:
                shards.begin(other, Fence(_SHARD.id, 8))

    with pytest.raises(Fenced):
        write()
    assert name_of(store, owner) == "acme-networks"
    owned.close()


@on_postgresql
def test_the_next_owner_waits_for_a_commit_that_passed(store: Store, owned: Store) -> None:
    begun = threading.Event()

    def begin() -> None:
        with store.write() as other:
            shards.begin(other, Fence(_SHARD.id, 8))
        begun.set()

    follower = threading.Thread(target=begin)
    with owned.write() as transaction:
        shards.check(transaction, Fence(_SHARD.id, 7))
        follower.start()
        wait_until(lambda: _is_waiting(store))
        assert not begun.is_set()
    assert begun.wait(DEADLINE)
    follower.join()
    owned.close()


@pytest.mark.long
@on_postgresql
def test_the_next_owner_does_not_wait_for_a_hub_that_stopped(store: Store, owned: Store, owner: Actor) -> None:
    """Stops a former owner between the check of its token and the commit."""
    checked, goes_on = threading.Event(), threading.Event()
    refusals: list[Unavailable] = []

    def write() -> None:
        try:
            with owned.write() as transaction:
                found = organizations.find(transaction, owner.organization_id)
                assert found is not None
                organizations.change(transaction, owner.organization_id, name="late", plan=found.plan)
                shards.check(transaction, Fence(_SHARD.id, 7))
                checked.set()
                goes_on.wait(DEADLINE)
        except Unavailable as refusal:
            refusals.append(refusal)

    former = threading.Thread(target=write)
    former.start()
    assert checked.wait(DEADLINE)
    # It waits for a lock for ten seconds at most.
    with store.write() as other:
        shards.begin(other, Fence(_SHARD.id, 8))
    goes_on.set()
    former.join()
    assert len(refusals) == 1
    assert name_of(store, owner) == "acme-networks"
    owned.close()


def _is_waiting(store: Store) -> bool:
    with store.read() as transaction:
        return bool(transaction.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one())


def test_a_hub_reads_the_organizations_of_its_shard_alone(store: Store, owner: Actor) -> None:
    mine, other = owner.organization_id, "zzzzzzzzzz"
    with store.write() as transaction:
        shards.create(transaction, _SHARD)
        organizations.place_all(transaction, _SHARD.id)
    with store.read() as transaction:
        assert shards.find_all(transaction) == [_SHARD]
        for shard, expected in ((None, [mine]), (_SHARD.id, [mine]), ("xyz", [])):
            assert list(organizations.enforced_ids(transaction, shard)) == expected
            assert list(organizations.revisions(transaction, shard)) == expected
            assert list(organizations.names(transaction, shard)) == expected
            assert organizations.count_enforced(transaction, shard) == len(expected)
            assert (organizations.revision(transaction, mine, shard) is not None) is bool(expected)
            assert organizations.revision(transaction, other, shard) is None


def test_a_new_organization_goes_where_the_fewest_are(context: Context, store: Store) -> None:
    """The first shard gets those of the one hub that there was."""
    alone = sign_up(context, "first@example.net")
    assert endpoint(context, alone) == context.endpoint
    with store.write() as transaction:
        shards.create(transaction, _SHARD)
        organizations.place_all(transaction, _SHARD.id)
        shards.create(transaction, Shard("xyz", "2001:db8::1", 51821))
    second, third = sign_up(context, "second@example.net"), sign_up(context, "third@example.net")
    assert [endpoint(context, each) for each in (alone, second, third)] == [
        "192.0.2.1:51820",
        "[2001:db8::1]:51821",
        "192.0.2.1:51820",
    ]
    with store.read() as transaction:
        assert shards.sizes(transaction) == {"abc": 2, "xyz": 1}


def endpoint(context: Context, owner: Actor) -> str:
    """Makes a machine, shows its configuration again, and removes it; returns the endpoint in both."""
    issued = machines.add(context, owner, name="laptop")
    assert f"= {context.endpoint_of(service.get(context, owner))}\n" in issued.configuration.text()
    again = machines.configured(context, owner, issued.machine.id)
    assert again.configuration.endpoint == issued.configuration.endpoint
    machines.remove(context, owner, issued.machine.id)
    return issued.configuration.endpoint
