"""An entry of the front door ends with its lease, and with it whatever it allowed."""

from __future__ import annotations

import os
from functools import partial
from ipaddress import ip_address

import pytest

from appliance.hub.front_door import DoorRepair, FrontDoor, LastEndpoint
from appliance.hub.front_door.memory import MEMORIES, SESSIONS, Memory
from tests.appliance.hub.front_door.attacks import answer_to, initiation, message
from tests.appliance.hub.front_door.scene import Machine, Scene, T, V, brief, end, key_of, small
from tests.appliance.hub.front_door.world import HUB4, HUB6, World
from tests.waiting import wait_until


def assert_dropped(scene: Scene, machine: Machine, datagram: bytes, hub: str = HUB4) -> None:
    """Checks that the door drops a datagram because no session has its index or its source."""
    before = scene.door.counters().sessionless
    scene.ask(machine, datagram, hub)
    wait_until(lambda: scene.door.counters().sessionless == before + 1)


def assert_delivered(scene: Scene, machine: Machine, link: int, datagram: bytes, hub: str = HUB4) -> None:
    """Checks that a datagram is the next one that a link receives."""
    scene.ask(machine, datagram, hub)
    assert scene.hears(link, datagram)


def test_a_session_ends_and_its_index_becomes_another_s(world: World, scene: Scene) -> None:
    mine, theirs, index = scene.machine(), scene.machine(66), os.urandom(4)
    scene.tell(V, message(2, sender=index), mine)
    assert_delivered(scene, mine, V, message(4, receiver=index))
    end(world, "sessions", key_of(index))
    for machine in (mine, theirs):
        assert_dropped(scene, machine, message(4, receiver=index))
        assert_dropped(scene, machine, message(3, receiver=index))
        assert_dropped(scene, machine, message(2, receiver=os.urandom(4) + index))
    scene.tell(T, message(2, sender=index), theirs)
    assert_delivered(scene, theirs, T, message(4, receiver=index))


def test_an_answer_after_its_offer_ended_begins_no_session(world: World, scene: Scene) -> None:
    mine, index = scene.machine(), os.urandom(4)
    scene.tell(V, message(1, sender=index), mine)
    assert_delivered(scene, mine, V, message(3, receiver=index))
    end(world, "offers", key_of(index))
    assert_dropped(scene, mine, message(2, receiver=os.urandom(4) + index))
    assert_dropped(scene, mine, message(3, receiver=index))
    assert key_of(index) not in world.elements("sessions")


@pytest.mark.parametrize(("version", "hub"), [(4, HUB4), (6, HUB6)])
def test_a_session_is_found_by_its_source_until_its_lease_ends(
    world: World, scene: Scene, version: int, hub: str
) -> None:
    """Tells the door a last endpoint, as the hub does when the table has lost its sessions."""
    mine = scene.machine()
    scene.door.learn([LastEndpoint(ip_address(mine.address(version)), mine.port, V)])
    assert_delivered(scene, mine, V, message(4, receiver=os.urandom(4)), hub)
    end(world, f"resumed{version}", mine.source(version))
    assert_dropped(scene, mine, message(4, receiver=os.urandom(4)), hub)


@pytest.mark.parametrize("version", [4, 6])
def test_a_forgotten_source_is_a_stranger_and_free_to_others(world: World, scene: Scene, version: int) -> None:
    mine, hub = scene.machine(), HUB4 if version == 4 else HUB6
    source, address = mine.source(version), mine.address(version)
    known, pairs, strangers = ("known4", source, "strangers4") if version == 4 else ("links6", address, "strangers64")
    scene.tell(V, message(2), mine, version)
    assert_delivered(scene, mine, V, initiation(scene.keys[V]), hub)
    assert not world.elements(strangers)
    for name, key in _knowledge(version, source, address):
        end(world, name, key)
    assert_delivered(scene, mine, V, initiation(scene.keys[V]), hub)
    assert len(world.elements(strangers)) == 1
    scene.tell(T, message(2), mine, version)
    assert world.elements(known)[pairs].value == str(T)


def _knowledge(version: int, source: str, address: str) -> tuple[tuple[str, str], ...]:
    """Returns the elements by which a source is known for the ordinary link: set and key."""
    if version == 4:
        return ("known4", source), ("answered4", f"{source} . {V}")
    return ("known6", source), ("links6", address), ("answered6", f"{address} . {V}")


def test_an_answer_that_comes_late_leaves_from_the_usual_address(world: World, scene: Scene) -> None:
    other, mine = "192.0.2.2", scene.machine()
    world.hub.run("ip", "address", "add", f"{other}/24", "dev", "eth0")
    in_time, late = initiation(scene.keys[V]), initiation(scene.keys[V])
    for each in (in_time, late):
        assert_delivered(scene, mine, V, each, other)
    assert scene.say(V, answer_to(in_time), mine) == other
    end(world, "asked", f"{mine.source()} . {V}")
    assert scene.say(V, answer_to(late), mine) == HUB4


@pytest.mark.parametrize("version", [4, 6])
def test_a_first_message_can_be_answered_for_a_while(world: World, scene: Scene, version: int) -> None:
    mine, asked = scene.machine(), os.urandom(4)
    scene.hand_on(V, mine, asked, version)
    (key,) = world.elements(f"handed{version}")
    assert world.elements(f"handed{version}")[key].ends_in_s <= 15
    end(world, f"handed{version}", key)
    with pytest.raises(PermissionError):
        scene.say(V, message(2, sender=os.urandom(4), receiver=asked), mine, version)


def test_leases_of_the_table_end_and_its_marks_stay(
    world: World, scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaves a door without traffic for longer than any lease: it is whole, and not taken for one that was emptied."""
    brief(monkeypatch, 1)
    scene.rebuild()
    mine = scene.machine()
    door.learn([LastEndpoint(ip_address(mine.address(4)), mine.port, V)])
    scene.tell(V, message(2), mine)
    scene.tell(V, message(2), mine, 6)
    scene.tell(V, message(1), mine)
    scene.ask(mine, initiation(scene.keys[V]))
    learned = [each.name for each in MEMORIES if isinstance(each, Memory) and each.learns and each is not SESSIONS]
    wait_until(lambda: door.counters().demultiplexed == 1)
    wait_until(lambda: not any(world.elements(name) for name in learned))
    wait_until(lambda: not world.elements("sessions").keys() - {"0x0"})
    wait_until(lambda: not world.elements("resumed4").keys() - {"0.0.0.0 . 0"})
    assert door.restore() is DoorRepair.NONE


def test_entries_that_ended_leave_their_room_to_others(
    world: World, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, sessions=5)
    scene.rebuild()
    mine, first = scene.machine(), [os.urandom(4) for _ in range(4)]
    for index in (*first, os.urandom(4)):
        scene.tell(V, message(2, sender=index), mine)
    assert set(world.elements("sessions")) == {"0x0", *map(key_of, first)}
    end(world, "sessions", *map(key_of, first))

    def is_learned(index: bytes) -> bool:
        # The kernel takes ended elements out once in a while; until then they have their room.
        scene.tell(V, message(2, sender=index), mine)
        return key_of(index) in world.elements("sessions")

    for index in [os.urandom(4) for _ in range(4)]:
        wait_until(partial(is_learned, index))
