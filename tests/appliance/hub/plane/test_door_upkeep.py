"""Calls to the machines after the front door was damaged or recreated."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

import pytest

from appliance.hub.errors import HubError
from appliance.hub.front_door import DoorRepair, LastEndpoint
from appliance.hub.plane.door_upkeep import DoorUpkeep
from appliance.model.policy import Action, Policy
from tests.appliance.hub.ruled import members, state_of

PORTS = {"one": 40001, "two": 40002}
HEARD = {"one": {"key": "192.0.2.7:4000"}, "two": {"key": "[2001:db8::7%eth0]:4001"}, "gone": {"key": "192.0.2.9:1"}}
TOLD = {LastEndpoint(ip_address("192.0.2.7"), 4000, 40001), LastEndpoint(ip_address("2001:db8::7"), 4001, 40002)}


class MadeUpDoor:
    """Finds what it is told to find.

    Attributes:
        opened, restored: what had to be done to the kernel's part.
        settles, learns: whether the host lets it.
        entries: admitted organizations with their key, port and number of machines.
    """

    def __init__(self, opened: DoorRepair = DoorRepair.NONE, restored: DoorRepair = DoorRepair.NONE) -> None:
        self.opened, self.restored, self.settles = opened, restored, True
        self.learns = True
        self.learned: list[set[LastEndpoint]] = []
        self.entries: list[tuple[str, str, int, int]] = []

    def open(self, _met: object) -> DoorRepair:
        return self.opened

    def admit(self, organization: str, hub_public_key: str, inner_port: int, machines: int = 0) -> None:
        self.entries.append((organization, hub_public_key, inner_port, machines))

    def settle(self) -> None:
        if not self.settles:
            raise HubError("not now")

    def restore(self) -> DoorRepair:
        return self.restored

    def admitted(self) -> Iterable[Any]:
        return [SimpleNamespace(organization=name, inner_port=port) for name, port in PORTS.items()]

    def learn(self, flows: Iterable[LastEndpoint]) -> None:
        if not self.learns:
            raise HubError("not now")
        self.learned.append(set(flows))


class MadeUpPlane:
    """A data plane that knows the endpoints of machines."""

    def endpoints(self) -> Mapping[str, Mapping[str, str]]:
        return HEARD


class MadeUpCalls:
    """Record of the times with which all machines are to be called."""

    def __init__(self) -> None:
        self.due: list[float] = []

    def call_all(self, misled_until: float) -> None:
        self.due.append(misled_until)


def made(door: MadeUpDoor) -> tuple[DoorUpkeep, MadeUpCalls]:
    calls = MadeUpCalls()
    return DoorUpkeep(cast(Any, door), cast(Any, MadeUpPlane()), cast(Any, calls)), calls


def test_an_organization_is_admitted_with_its_number_of_machines() -> None:
    """Counts machines at each change: their number is the organization's share of handshakes."""
    door = MadeUpDoor()
    keeper, _ = made(door)
    for count in (0, 1, 500):
        keeper.admit(state_of(members(count), Policy(Action.ALLOW)))
    assert door.entries == [("bbbbbbbbbb", "hub", 51820, count) for count in (0, 1, 500)]


@pytest.mark.parametrize("repair", DoorRepair)
def test_machines_are_called_after_damage_is_repaired(repair: DoorRepair) -> None:
    """Repairs a damaged door, whose packets may have led machines to a closed port."""
    door = MadeUpDoor(restored=repair)
    keeper, calls = made(door)
    keeper.open(print)
    healed = keeper.heal()
    assert (healed is None) is (repair is DoorRepair.NONE)
    assert len(calls.due) == (repair is not DoorRepair.NONE)


@pytest.mark.parametrize("repair", DoorRepair)
def test_machines_are_called_once_after_damage_without_a_hub(repair: DoorRepair) -> None:
    door = MadeUpDoor(opened=repair)
    keeper, calls = made(door)
    keeper.open(print)
    opened = time.monotonic()
    assert calls.due == []
    keeper.settle()
    assert keeper.heal() is None
    assert len(calls.due) == (repair is not DoorRepair.NONE)
    # What was sent since it is open went the right way.
    assert all(until <= opened for until in calls.due)


def test_a_recreated_door_gets_the_last_endpoints() -> None:
    door = MadeUpDoor(opened=DoorRepair.AFRESH)
    keeper, _ = made(door)
    keeper.open(print)
    keeper.settle()
    door.restored = DoorRepair.AFRESH
    keeper.heal()
    assert door.learned == [TOLD, TOLD]


def test_a_failed_settling_succeeds_while_healing() -> None:
    door = MadeUpDoor(opened=DoorRepair.AFRESH)
    keeper, calls = made(door)
    keeper.open(print)
    door.settles = False
    with pytest.raises(HubError):
        keeper.settle()
    with pytest.raises(HubError):
        keeper.heal()
    assert calls.due == []
    door.settles = True
    keeper.heal()
    keeper.heal()
    assert len(calls.due) == 1
    assert door.learned == [TOLD]


def test_a_recreated_door_gets_endpoints_again_after_an_error() -> None:
    """Fails once: the door is whole by then, and no later check would notice."""
    door = MadeUpDoor(restored=DoorRepair.AFRESH)
    keeper, calls = made(door)
    keeper.open(print)
    keeper.settle()
    door.learns = False
    with pytest.raises(HubError):
        keeper.heal()
    assert calls.due == []
    door.restored, door.learns = DoorRepair.NONE, True
    for _ in range(2):
        assert keeper.heal() is None
    assert door.learned == [TOLD]
    assert len(calls.due) == 1
