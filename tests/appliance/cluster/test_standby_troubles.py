"""A host that prepares for a shard while something fails on it: others go first, or it goes on when that is over."""

from __future__ import annotations

import time
from typing import Any

import pytest

from appliance.cluster.etcd import Etcd
from appliance.cluster.owner import Owner, owner_key
from appliance.hub.errors import HubError
from appliance.hub.plane.standby import Standby
from appliance.hub.plane.upkeep import Upkeep
from appliance.model.errors import Unavailable
from appliance.service.owners import OwningHubs
from appliance.store import machines, organizations, shards
from tests.appliance.cluster.cuts import cut
from tests.appliance.cluster.database_host import database_host
from tests.appliance.cluster.hub_hosts import SHARD, Break, HubHost, unbroken
from tests.appliance.cluster.prepared_hosts import begin, loses_its_owner, told_of_the_shard
from tests.appliance.cluster.three_hubs import CONFINED, World
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

# More than a lease lasts.
_LATE_S = 3.0


def begin_confined(three: World, harm: Break = unbroken) -> tuple[HubHost, HubHost]:
    """Starts an owner and a host that prepares, and confines the first organization."""
    first, second = begin(three, harm)
    three.save(CONFINED)
    return first, second


def fails_once(where: object, name: str, error: Exception) -> None:
    """Has the first call of a function fail."""
    function, patch = getattr(where, name), pytest.MonkeyPatch()

    def fail(*_: Any) -> None:
        patch.setattr(where, name, function)
        raise error

    patch.setattr(where, name, fail)


def stands_by_at_the_second_try() -> None:
    fails_once(Upkeep, "stand_by", HubError("refused"))


def never_stands_by() -> None:
    def refuse(_: Upkeep) -> None:
        raise HubError("refused")

    pytest.MonkeyPatch().setattr(Upkeep, "stand_by", refuse)


def stops_late() -> None:
    """Has a hub that owns the shard wait for an organization that it prepares."""
    stop = Standby.stop

    def stop_late(self: Standby) -> None:
        time.sleep(_LATE_S)
        stop(self)

    pytest.MonkeyPatch().setattr(Standby, "stop", stop_late)


def loses_the_store_when_open() -> None:
    """Has a new owner find the database gone when its gate is open, twice and for a moment."""
    for where, name in ((machines, "endpoints_by_organization"), (organizations, "names")):
        fails_once(where, name, Unavailable("The store can't be used for now.", retry_after=1))


def fails_to_begin() -> None:
    fails_once(shards, "begin", Unavailable("The store can't be used for now.", retry_after=1))


@on_postgresql
def test_a_host_that_can_not_begin_to_prepare_tries_again(three: World) -> None:
    first, second = begin_confined(three, stands_by_at_the_second_try)
    loses_its_owner(three, first, second)


@on_postgresql
def test_a_host_that_can_not_prepare_leaves_the_place(three: World) -> None:
    first, second, third = three.hubs
    three.start(first)
    assert three.owner() is first
    three.start(second, never_stands_by, stands_by=True)
    wait_until(lambda: told_of_the_shard(three).prepared == second.host.name, three.logs)
    three.start(third, stands_by=True)
    wait_until(lambda: told_of_the_shard(three).prepared == third.host.name, three.logs)
    wait_until(lambda: third.has(ACME), three.logs)


@on_postgresql
def test_a_host_that_stops_to_prepare_late_is_the_owner(three: World) -> None:
    first, second = begin_confined(three, stops_late)
    loses_its_owner(three, first, second)
    assert three.logs().count("the shard is lost") == 0


@on_postgresql
def test_a_prepared_host_without_the_database_takes_nothing(three: World) -> None:
    database = database_host(three)
    first, second = begin_confined(three)
    third = three.hubs[2]
    with three.streams() as streams, cut(second.host, database):
        first.loses_power()
        assert three.owner(after=first) is third
        streams.flow()
        assert streams.leaks() == []
        print(f"the prepared host has no database: silent for {streams.silence():.2f} s")
    # It has not owned the shard for a moment, and goes on.
    assert "the shard is ours" not in second.processes[-1].log_text()
    assert second.processes[-1].poll() is None


@on_postgresql
def test_the_place_is_free_while_its_host_has_no_database(three: World) -> None:
    database = database_host(three)
    first, second = begin_confined(three)
    with cut(second.host, database):
        wait_until(lambda: told_of_the_shard(three).prepared is None, three.logs)
        assert second.has(ACME)
    wait_until(lambda: told_of_the_shard(three).prepared == second.host.name, three.logs)
    loses_its_owner(three, first, second)


@on_postgresql
def test_a_host_that_fails_to_begin_gives_the_shard_up(three: World) -> None:
    first, second = begin_confined(three, fails_to_begin)
    first.loses_power()
    assert second.processes[-1].wait(DEADLINE) == 1
    key = three.web.in_network(lambda: Etcd(three.etcd.endpoints, 0.4).holder(owner_key(SHARD.id)))
    # No lease has to end first.
    assert key is None or Owner.parse(key.value).name != second.host.name
    assert three.owner(after=first) is three.hubs[2]


@on_postgresql
def test_an_owner_whose_store_is_gone_for_a_moment_goes_on(three: World) -> None:
    first, second = begin_confined(three, loses_the_store_when_open)
    loses_its_owner(three, first, second)
    hubs = three.hubs_of_web(OwningHubs)
    wait_until(lambda: three.web.in_network(hubs.status).restored, three.logs)
    assert second.processes[-1].poll() is None
