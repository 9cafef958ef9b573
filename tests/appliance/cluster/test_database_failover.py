"""PostgreSQL under Patroni loses a host, is switched over, and gets the host back, while a customer saves and sends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.appliance.cluster import patroni_hosts
from tests.appliance.cluster.patroni_hosts import Databases, by_list, by_proxy
from tests.appliance.cluster.saving import customer, undisturbed
from tests.appliance.cluster.silence import silence_s
from tests.appliance.cluster.up_hosts import World, up_hosts
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two hosts for hubs, of which none runs yet, and three machines."""
    with up_hosts(tmp_path, machines=3) as made:
        for hub in made.hubs:
            # Saves without a pause.
            hub.environment["MESHWG_TRUSTED_SOURCE"] = "192.0.2.0/24"
        yield made


@pytest.fixture
def databases(world: World) -> Iterator[Databases]:
    """Two hosts with PostgreSQL, of which one leads."""
    with patroni_hosts.databases(world) as made:
        yield made


@pytest.mark.parametrize("way", [by_proxy, by_list])
def test_saves_go_on_after_the_primary_lost_its_power(
    world: World, databases: Databases, way: Callable[[Databases], str]
) -> None:
    world.begin(way(databases))
    first, second = databases.standing()
    with undisturbed(world, world.hubs[0], f"the primary's power is cut ({way.__name__})") as acme:
        first.lose_power()
        acme.await_save()
        moment = time.monotonic()
        first.start()
        assert databases.standing() == (second, first)
        print(f"the former primary is the standby {time.monotonic() - moment:.1f} s after its start")


def test_saves_go_on_after_a_planned_switchover(world: World, databases: Databases) -> None:
    world.begin(by_proxy(databases))
    first, second = databases.standing()
    with undisturbed(world, world.hubs[1], "a planned switchover") as acme:
        databases.switch_over()
        acme.await_save()
        assert databases.standing() == (second, first)


def test_saves_wait_for_a_standby_only_until_it_is_lost(world: World, databases: Databases) -> None:
    world.begin(by_proxy(databases))
    _, second = databases.standing()
    with undisturbed(world, world.hubs[0], "the standby's power is cut"):
        second.lose_power()


def test_a_host_with_both_leader_and_owner_is_lost(world: World, databases: Databases) -> None:
    world.begin(by_proxy(databases))
    leader, _ = databases.standing()
    name = world.owner(world.hubs[0])
    owner, other = sorted(world.hubs, key=lambda each: each.name != name)
    noted = "SELECT count(*) FROM machines WHERE endpoint IS NOT NULL"
    with customer(world, other) as acme:
        # Those that the next owner turns to.
        wait_until(lambda: databases.ask(leader, noted, database="meshwg") == str(len(world.machines)), world.logs)
        owner.lose_power()
        leader.lose_power()
        acme.await_save()
        moment = acme.allowed.mark()
        acme.allowed.wait_delivery(moment, DEADLINE)
        acme.judge()
        acme.tell(f"a host with leader and owner is lost (tunnels are silent for {silence_s(acme.allowed):.1f} s)")


def test_a_host_ends_while_no_database_is_there(world: World, databases: Databases) -> None:
    world.begin(by_proxy(databases))
    with customer(world, world.hubs[0]):
        pass
    for each in databases.hosts:
        each.lose_power()
    moment = time.monotonic()
    for hub in world.hubs:
        assert hub.up is not None
        assert hub.up.stop(DEADLINE) == 0
        assert hub.host.run("ip", "netns").stdout == ""
    print(f"two hosts end in {time.monotonic() - moment:.1f} s without a database")
