"""Each part of the front door's memory is bounded, and a full one keeps what it has."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address

import pytest

from appliance.hub.front_door import FrontDoor, LastEndpoint, netfilter
from appliance.hub.front_door.memory import MEMORIES, RESUMED
from tests.appliance.hub.front_door.attacks import initiation, message, send_from
from tests.appliance.hub.front_door.scene import Scene, T, V, key_of, small
from tests.appliance.hub.front_door.world import World
from tests.waiting import wait_until


def test_a_full_memory_keeps_its_elements(
    world: World, scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evicts nothing: a source that finds no room is treated as a stranger."""
    small(monkeypatch, sessions=5, offers=4, known4=4, answered4=4, asked=4, strangers4=4, regulars4=4)
    scene.rebuild()
    machines = [scene.machine() for _ in range(7)]
    indices, offered = [os.urandom(4) for _ in machines], [os.urandom(4) for _ in machines]
    for machine, index, offer in zip(machines, indices, offered, strict=True):
        scene.tell(V, message(2, sender=index), machine)
        scene.tell(V, message(1, sender=offer), machine)
    assert set(world.elements("known4")) == {each.source() for each in machines[:4]}
    assert set(world.elements("sessions")) - {"0x0"} == {key_of(index) for index in indices[:4]}
    assert set(world.elements("offers")) == {key_of(index) for index in offered[:4]}
    levels = door.levels()
    assert {name: levels[name].entries for name in ("sessions", "offers", "known4", "answered4")} == {
        name: levels[name].room for name in ("sessions", "offers", "known4", "answered4")
    }
    assert len(world.elements("asked")) == 4
    for machine in machines:
        datagram = initiation(scene.keys[V])
        scene.ask(machine, datagram)
        assert scene.hears(V, datagram)
    assert len(world.elements("regulars4")) == 4
    before = door.counters()
    for index, machine in zip(indices, machines, strict=True):
        scene.ask(machine, message(4, receiver=index))
    wait_until(lambda: door.counters().sessionless - before.sessionless == 3)
    # A meter that is full lets through: the pace of all strangers together is left.
    send_from(machines[0].host, [((f"198.18.0.{n}", 4000), initiation(scene.keys[V])) for n in range(1, 9)])
    wait_until(lambda: door.counters().demultiplexed - before.demultiplexed == 8)
    assert len(world.elements("strangers4")) == 4


def test_replaced_elements_free_their_room(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletes elements before they are made anew, because older kernels may lose their room for ever."""
    names = ("asked", "handed4", "replied4")
    small(monkeypatch, **dict.fromkeys(names, 40))
    scene.rebuild()
    mine, asked = scene.machine(), os.urandom(4)
    for _ in range(30):
        scene.tell(V, message(2, sender=os.urandom(4), receiver=asked), mine)
    with closing(scene.world.hub.in_network(lambda: netfilter.TableReader(scene.world.names.door))) as reader:
        wait_until(lambda: reader.fill(names) == dict.fromkeys(names, 1))


def test_machines_of_one_link_leave_room_for_other_links(
    world: World, scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loads endpoints into an emptied door whose sets become full."""
    small(monkeypatch, resumed4=8, known4=8, answered4=8)
    monkeypatch.setitem(RESUMED, 4, replace(RESUMED[4], size=8))
    scene.rebuild()
    table = world.names.door
    full = ", ".join(f"198.18.0.{number} . 1 : {T}" for number in range(8))
    world.hub.run("nft", "add", "element", "inet", table, "known4", f"{{ {full} }}")
    flows = [LastEndpoint(ip_address(f"192.0.2.{number}"), 4000, T if number else V) for number in reversed(range(20))]
    door.learn(flows)
    for name in ("resumed4", "known4"):
        values = [each.value for key, each in world.elements(name).items() if key != "0.0.0.0 . 0"]
        assert (values.count(str(V)), values.count(str(T))) == (1, 6)


def test_counted_elements_equal_the_kernel_s_number(world: World, scene: Scene, door: FrontDoor) -> None:
    """Compares with new kernels, which report the number of elements; with others they are counted."""
    for _ in range(3):
        scene.tell(V, message(2), scene.machine())
        datagram = initiation(scene.keys[V])
        scene.ask(scene.machine(), datagram)
        assert scene.hears(V, datagram)
    levels = door.levels()
    assert set(levels) == {each.name for each in MEMORIES} | {"unsearched", "found"}
    assert {each.name: len(world.elements(each.name)) for each in MEMORIES} == {
        each.name: levels[each.name].entries for each in MEMORIES
    }
    assert levels["known4"].entries == levels["replied4"].entries == 3
    assert levels["asked"].entries == levels["handed4"].entries == 6
    with closing(world.hub.in_network(lambda: netfilter.TableReader(world.names.door))) as reader:
        assert {each.name: reader.listed(each.name) for each in MEMORIES} == {
            each.name: levels[each.name].entries for each in MEMORIES
        }
    assert all(0 <= level.entries <= level.room for level in levels.values())
