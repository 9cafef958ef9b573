"""All damage to the door's table is noticed and repaired."""

from __future__ import annotations

import ipaddress
from contextlib import closing

import pytest

from appliance.hub.front_door import DoorRepair, FrontDoor, LastEndpoint
from appliance.hub.front_door.netfilter import TableReader
from tests.appliance.hub.front_door.world import World
from tests.waiting import DEADLINE

_IN_PLACE = (
    "flush chain inet {table} answer",
    "flush chain inet {table} enter",
    "flush set inet {table} inner",
    "delete element inet {table} inner {{ 22001 }}",
    "flush set inet {table} desk",
    "insert rule inet {table} public drop",
    "flush chain inet {table} hand_on",
    "flush table inet {table}",
    "flush table inet {table}; delete map inet {table} asked",
    "delete chain inet {table} enter",
    "add chain inet {table} leave {{ policy drop; }}",
)
_AFRESH = (
    "flush map inet {table} sessions",
    "flush map inet {table} resumed4",
    "flush ruleset",
    "delete table inet {table}",
    "delete table inet {table}; add table inet {table}",
    "add chain inet {table} more",
    "delete chain inet {table} enter; add chain inet {table} enter {{ type filter hook input priority 0; }}",
    "add set inet {table} more {{ type ipv4_addr; }}",
    "flush table inet {table}; delete map inet {table} sessions; add map inet {table} sessions {{ type mark : mark; }}",
    "delete table inet {table}; add table inet {table}; add set inet {table} sessions {{ type ipv4_addr; }}",
)


@pytest.mark.parametrize(
    ("damage", "repair"),
    [*((each, DoorRepair.IN_PLACE) for each in _IN_PLACE), *((each, DoorRepair.AFRESH) for each in _AFRESH)],
)
def test_damage_is_repaired_and_sessions_go_on(world: World, door: FrontDoor, damage: str, repair: DoorRepair) -> None:
    machine = world.machine(world.organizations[0], 11)
    assert machine.reaches_the_hub(DEADLINE)
    assert door.restore() is DoorRepair.NONE
    world.hub.run("nft", damage.format(table=world.names.door))
    assert door.restore() is repair
    assert door.restore() is DoorRepair.NONE
    if repair is DoorRepair.AFRESH:
        address, _, port = world.endpoint(machine).rpartition(":")
        door.learn([LastEndpoint(ipaddress.ip_address(address), int(port), machine.organization.inner_port)])
    handshake = machine.tunnel.peers()[0].latest_handshake
    assert machine.reaches_the_hub()
    assert machine.tunnel.peers()[0].latest_handshake == handshake
    assert door.counters().demultiplexed == 1
    # A handshake gets through as well.
    other = world.machine(world.organizations[1], 12)
    assert other.reaches_the_hub(DEADLINE)


def test_endpoints_can_be_loaded_again(world: World, door: FrontDoor) -> None:
    """Loads one source for two organizations: the last load counts, and within a load the first entry."""
    first, second = world.organizations
    address = ipaddress.ip_address("192.0.2.11")
    for ports in ((first, second), (second, first), ()):
        door.learn([LastEndpoint(address, 1000, each.inner_port) for each in ports])
        found = world.hub.run("nft", "list", "map", "inet", world.names.door, "resumed4").stdout
        assert [str(each.inner_port) in found for each in (first, second)] == [
            ports[:1] == (first,),
            ports[:1] == (second,),
        ]


def is_present(table: str) -> bool:
    with closing(TableReader(table)) as reader:
        return bool(reader.shape())


def test_a_door_that_is_removed_leaves_nothing(world: World, door: FrontDoor) -> None:
    present = world.hub.in_network(lambda: is_present(world.names.door))
    world.hub.in_network(door.remove)
    assert present
    assert not world.hub.in_network(lambda: is_present(world.names.door))
    assert world.hub.run("nft", "list", "ruleset").stdout == ""
    world.hub.in_network(door.remove)
