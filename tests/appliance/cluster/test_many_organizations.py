"""A shard of several organizations is back at another host, from the first organization to the last.

`MESHWG_FAILOVER_ORGANIZATIONS` is their number, for measurements: `deploy/hubs/prove -s` tells how long each was
silent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.hub.plane import standby
from appliance.hub.plane.liveness import Liveness
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.store import Store, machines, organizations, shards, times
from netlab import LabHost, UdpStream
from tests.appliance.cluster.hub_hosts import SHARD, HubHosts, hub_hosts, knows_endpoints
from tests.appliance.cluster.silence import silence_s
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import OLD, add_organization, opens, sealed
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_COUNT = int(os.environ.get("MESHWG_FAILOVER_ORGANIZATIONS", "6"))
_MACHINES = 10
_NOBODY = "192.0.2.250"
# The time to build an organization, on a machine with much other work.
_BUILT_S = 1.0


@dataclass
class World(HubHosts):
    """Two hub hosts, and two machines of the first, the middle and the last organization."""

    live: dict[str, list[LabHost]] = field(default_factory=dict)

    def wait_for_log(self, number: int, text: str) -> None:
        """Waits until a hub has logged a text, for as long as all organizations may take."""
        self.hubs[number].processes[-1].wait_for_log(text, DEADLINE + _BUILT_S * _COUNT)


@pytest.fixture
def world(database: str, store: Store, tmp_path: Path) -> Iterator[World]:
    """Many organizations of one shard, in the order in which they are turned to."""
    sealed(store)
    names, vault = [name_of(number) for number in range(_COUNT)], opens(store, OLD)
    for name in names:
        add_organization(store, name, vault.new_organization_keys(name))
        add_machines(store, name)
    with store.write() as transaction:
        shards.create(transaction, SHARD)
        organizations.place_all(transaction, SHARD.id)
        organizations.note_heard(transaction, {name: time.time() - at for at, name in enumerate(names)})
    with hub_hosts(World, store, database, tmp_path, 2) as made:
        # Handshakes with the others' machines are begun, and nobody answers.
        made.attach(made.lab.host("nobody"), int(_NOBODY.rpartition(".")[2]))
        for at, name in enumerate((names[0], names[_COUNT // 2], names[-1]), 1):
            made.live[name] = [made.connect_machine(name, number, at)[0] for number in (2, 3)]
        yield made


def name_of(number: int) -> str:
    """Makes the id of an organization, with its number in its first four letters."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:04d}") + "222222"


def add_machines(store: Store, organization: str) -> None:
    """Stores machines that are never there, with their last endpoints."""
    keys = [new_key_pair().public for _ in range(_MACHINES)]
    with store.write() as transaction:
        for number, key in enumerate(keys, 100):
            name, address = f"machine{number}", IPv4Address(f"10.100.0.{number}")
            machine = Machine(f"{number}{organization[:7]}", name, name, address, key, (), times.now())
            machines.create(transaction, organization, machine)
        machines.note_endpoints(transaction, organization, dict.fromkeys(keys, f"{_NOBODY}:51820"))


def keeps_the_order() -> None:
    """Has hubs prepare without a rest, and not note which organizations are heard from."""
    patch = pytest.MonkeyPatch()
    patch.setattr(standby, "REST", 0)
    patch.setattr(Liveness, "note", lambda _: None)


@on_postgresql
@pytest.mark.parametrize("stands_by", [False, True])
def test_many_organizations_are_back_after_a_loss(world: World, *, stands_by: bool) -> None:
    first, second = world.hubs
    world.start(first, keeps_the_order)
    world.owner()
    with ExitStack() as stack:
        streams = [
            stack.enter_context(UdpStream(one, other, "10.100.0.3", 9000, 0.01)) for one, other in world.live.values()
        ]
        wait_for_all(streams)
        world.start(second, keeps_the_order, stands_by=stands_by)
        if stands_by:
            world.wait_for_log(1, "are prepared as stored")
        wait_until(lambda: knows_endpoints(world.store, dict.fromkeys(world.live, _MACHINES + 2)), world.logs)
        wait_for_all(streams)
        first.loses_power()
        wait_for_all(streams)
        load = os.getloadavg()[0]
        silent = ", ".join(f"{silence_s(each):.2f} s" for each in streams)
        how = "prepared" if stands_by else "not prepared"
        print(f"{how}, {_COUNT} organizations: first, middle and last silent for {silent}; load {load:.0f}")


def wait_for_all(streams: list[UdpStream]) -> None:
    """Waits until each stream flows, for as long as all organizations may take."""
    for each in streams:
        each.wait_delivery(each.mark(), DEADLINE + _BUILT_S * _COUNT)
