"""No sender writes, renews or takes an entry of another."""

from __future__ import annotations

import os

import pytest

from appliance.hub.front_door import FrontDoor
from tests.appliance.hub.front_door.attacks import initiation, message
from tests.appliance.hub.front_door.scene import AGED_S, Scene, T, V, age, key_of
from tests.appliance.hub.front_door.world import HUB4, HUB6, World
from tests.waiting import wait_until


def test_no_message_from_outside_renews_a_session(world: World, scene: Scene) -> None:
    """Sends messages of a stranger that knows the index, and of the machine itself."""
    mine, enemy, index = scene.machine(), scene.machine(66), os.urandom(4)
    scene.tell(V, message(2, sender=index), mine)
    age(world, "sessions", key_of(index))
    for machine in (enemy, mine):
        for kind in (2, 3, 4):
            receiver = os.urandom(4) + index if kind == 2 else index
            for _ in range(5):
                datagram = message(kind, receiver=receiver)
                scene.ask(machine, datagram)
                assert scene.hears(V, datagram)
    after = world.elements("sessions")[key_of(index)]
    assert after.value == str(V)
    assert after.ends_in_s <= AGED_S


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_no_link_sends_to_another_link(door: FrontDoor, scene: Scene, hub: str) -> None:
    mine, index = scene.machine(), os.urandom(4)
    scene.tell(V, message(2, sender=index), mine)
    with pytest.raises(PermissionError):
        scene.cross(T, V, message(4, receiver=index), hub)
    honest = message(4, receiver=index)
    scene.ask(mine, honest)
    assert scene.hears(V, honest)
    assert door.counters().closed == 1


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_an_offer_of_the_hub_becomes_a_session_once(world: World, scene: Scene, hub: str) -> None:
    version, mine, index = (6 if ":" in hub else 4), scene.machine(), os.urandom(4)
    scene.tell(V, message(1, sender=index), mine, version)
    assert world.elements("offers")[key_of(index)].ends_in_s <= 15
    assert key_of(index) not in world.elements("sessions")
    # Too many at once at the machine: it sends a cookie first, and the offer stays as it is.
    for kind, receiver in ((3, index), (2, os.urandom(4) + index), (2, os.urandom(4) + index), (4, index)):
        datagram = message(kind, receiver=receiver)
        scene.ask(mine, datagram, hub)
        assert scene.hears(V, datagram)
    assert key_of(index) not in world.elements("offers")
    first = world.elements("sessions")[key_of(index)]
    assert (first.value, 15 < first.ends_in_s <= 200) == (str(V), True)
    age(world, "sessions", key_of(index))
    datagram = message(2, receiver=os.urandom(4) + index)
    scene.ask(mine, datagram, hub)
    assert scene.hears(V, datagram)
    assert world.elements("sessions")[key_of(index)].ends_in_s <= AGED_S


def test_a_session_that_the_hub_begins_stays_open(world: World, door: FrontDoor) -> None:
    """Uses real WireGuard, whose machine knows nothing of the hub's address."""
    organization = world.organizations[0]
    machine = world.machine(organization, 11)
    machine.tunnel.down()
    again = world.client(organization, machine.host, 11)
    machine.host.run("wg", "set", again.tunnel.interface, "peer", organization.keys.public, "persistent-keepalive", "0")
    world.wg(organization, "set", organization.id, "peer", again.keys.public, "endpoint", "192.0.2.11:40404")
    machine.host.run("wg", "set", again.tunnel.interface, "listen-port", "40404")
    before = door.counters().demultiplexed
    inside = ("ip", "netns", "exec", organization.id, "ping", "-c1", "-W10", "10.100.0.11")
    assert "1 received" in world.hub.run(*inside).stdout
    if door.counters().demultiplexed == before:
        assert not world.elements("offers")
    assert max(each.ends_in_s for key, each in world.elements("sessions").items() if key != "0x0") > 100
    assert again.reaches_the_hub()


def test_the_newer_of_two_sessions_with_one_index_counts(world: World, scene: Scene) -> None:
    mine, other, index = scene.machine(), scene.machine(66), os.urandom(4)
    for kind, name in ((2, "sessions"), (1, "offers")):
        for link, machine in ((V, mine), (T, other), (V, mine)):
            scene.tell(link, message(kind, sender=index), machine)
            assert world.elements(name)[key_of(index)].value == str(link)


def test_an_answer_leaves_from_the_address_asked_last(world: World, scene: Scene, door: FrontDoor) -> None:
    """Forges an earlier message to another of the hub's addresses, which must not count."""
    other = "192.0.2.2"
    world.hub.run("ip", "address", "add", f"{other}/24", "dev", "eth0")
    mine = scene.machine()
    for address in (other, HUB4, other, HUB4):
        datagram = initiation(scene.keys[V])
        scene.ask(mine, datagram, address)
        assert scene.hears(V, datagram)
        assert scene.tell(V, message(2), mine) == address
    wait_until(lambda: door.counters().demultiplexed == 4)


@pytest.mark.parametrize("version", [4, 6])
def test_a_source_is_known_once_wireguard_has_answered_it(world: World, scene: Scene, version: int) -> None:
    """Sends messages of the source, and messages that are no answer to it: neither make it known."""
    mine, hub = scene.machine(), HUB4 if version == 4 else HUB6
    source, known = (mine.source(), "known4") if version == 4 else (mine.address(6), "links6")
    datagram = initiation(scene.keys[V])
    scene.ask(mine, datagram, hub)
    assert scene.hears(V, datagram)
    scene.tell(V, message(1), mine, version)
    scene.tell(V, message(4), mine, version)
    scene.tell(V, message(3), mine, version)
    assert not any(world.elements(name) for name in ("known4", "known6", "links6", "answered4", "answered6"))
    scene.tell(V, message(2), mine, version)
    assert {key: each.value for key, each in world.elements(known).items()} == {source: str(V)}
    if version == 6:
        assert list(world.elements("known6")) == [mine.source(6)]


@pytest.mark.parametrize("version", [4, 6])
def test_a_known_source_can_t_be_taken_or_renewed_by_others(world: World, scene: Scene, version: int) -> None:
    """Claims the source with another organization's machine: it is answered there, and changes nothing."""
    mine = scene.machine()
    source, known, pairs = (
        (mine.source(), "known4", "answered4") if version == 4 else (mine.address(6), "links6", "answered6")
    )
    scene.tell(V, message(2), mine, version)
    age(world, known, source)
    for _ in range(3):
        scene.tell(T, message(2), mine, version)
    after = world.elements(known)[source]
    assert after.value == str(V)
    assert after.ends_in_s <= AGED_S
    assert list(world.elements(pairs)) == [f"{source} . {V}"]
    scene.tell(V, message(2), mine, version)
    assert world.elements(known)[source].ends_in_s > AGED_S
