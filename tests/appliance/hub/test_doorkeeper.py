"""What a front door that was damaged, or made anew, owes to the machines behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

import pytest

from appliance.hub.door import Flow, Repair
from appliance.hub.doorkeeper import Doorkeeper
from appliance.hub.errors import HubError

PORTS = {"one": 40001, "two": 40002}
HEARD = {"one": {"key": "192.0.2.7:4000"}, "two": {"key": "[2001:db8::7%eth0]:4001"}, "gone": {"key": "192.0.2.9:1"}}
TOLD = {Flow(ip_address("192.0.2.7"), 4000, 40001), Flow(ip_address("2001:db8::7"), 4001, 40002)}


class MadeUpDoor:
    """Finds what it is told to find.

    Attributes:
        opened, restored: what had to be done to the kernel's part.
        settles: whether the host lets it.
    """

    def __init__(self, opened: Repair = Repair.NONE, restored: Repair = Repair.NONE) -> None:
        self.opened, self.restored, self.settles = opened, restored, True
        self.learned: list[set[Flow]] = []

    def open(self, _met: object) -> Repair:
        return self.opened

    def settle(self) -> None:
        if not self.settles:
            raise HubError("not now")

    def restore(self) -> Repair:
        return self.restored

    def admitted(self) -> Iterable[Any]:
        return [SimpleNamespace(organization=name, inner_port=port) for name, port in PORTS.items()]

    def learn(self, flows: Iterable[Flow]) -> None:
        self.learned.append(set(flows))


class MadeUpPlane:
    """Two organizations, of which one can't be called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def organizations(self) -> tuple[str, ...]:
        return tuple(PORTS)

    def endpoints(self) -> Mapping[str, Mapping[str, str]]:
        return HEARD

    def call_machines(self, organization: str) -> None:
        self.called.append(organization)
        if organization == "one":
            raise HubError("its link is gone")


def made(door: MadeUpDoor) -> tuple[Doorkeeper, MadeUpPlane]:
    plane = MadeUpPlane()
    return Doorkeeper(cast(Any, door), cast(Any, plane)), plane


@pytest.mark.parametrize("repair", Repair)
def test_machines_are_called_after_damage_was_put_right(repair: Repair) -> None:
    """What the door let out meanwhile may have led them to a port that is closed."""
    door = MadeUpDoor(restored=repair)
    keeper, plane = made(door)
    keeper.open(print)
    healed = keeper.heal()
    assert (healed is None) is (repair is Repair.NONE)
    assert plane.called == ([] if repair is Repair.NONE else ["one", "two"])


@pytest.mark.parametrize("repair", Repair)
def test_machines_are_called_once_after_damage_of_a_time_without_a_hub(repair: Repair) -> None:
    door = MadeUpDoor(opened=repair)
    keeper, plane = made(door)
    keeper.open(print)
    assert plane.called == []
    keeper.settle()
    assert keeper.heal() is None
    assert plane.called == ([] if repair is Repair.NONE else ["one", "two"])


def test_a_door_made_anew_is_told_where_machines_were_heard_from() -> None:
    door = MadeUpDoor(opened=Repair.AFRESH)
    keeper, _ = made(door)
    keeper.open(print)
    keeper.settle()
    door.restored = Repair.AFRESH
    keeper.heal()
    assert door.learned == [TOLD, TOLD]


def test_what_it_could_not_settle_it_settles_while_healing() -> None:
    door = MadeUpDoor(opened=Repair.AFRESH)
    keeper, plane = made(door)
    keeper.open(print)
    door.settles = False
    with pytest.raises(HubError):
        keeper.settle()
    with pytest.raises(HubError):
        keeper.heal()
    assert plane.called == []
    door.settles = True
    keeper.heal()
    keeper.heal()
    assert plane.called == ["one", "two"]
    assert door.learned == [TOLD]
