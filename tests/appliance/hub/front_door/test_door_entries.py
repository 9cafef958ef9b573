"""No sender writes, renews or takes an entry of another."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from functools import partial

import pytest

from appliance.hub.front_door import DoorRepair, FrontDoor
from appliance.hub.front_door.table import known_port
from tests.appliance.another_user import acting_as
from tests.appliance.hub.front_door.attacks import answer_to, initiation, message
from tests.appliance.hub.front_door.scene import AGED_S, Scene, T, V, age, key_of
from tests.appliance.hub.front_door.world import HUB4, HUB6, PORT, World
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


@pytest.mark.parametrize(("kind", "name"), [(2, "sessions"), (1, "offers")])
def test_no_link_takes_or_renews_what_names_a_link(
    world: World, scene: Scene, door: FrontDoor, kind: int, name: str
) -> None:
    """Gives out an index that another link, or the same one, has given out: WireGuard tries again with another one."""
    mine, other, index = scene.machine(), scene.machine(66), os.urandom(4)
    scene.tell(V, message(kind, sender=index), mine)
    age(world, name, key_of(index), 10)
    for link, again in ((T, 2), (T, 1), (V, 2), (V, 1)):
        with pytest.raises(PermissionError):
            scene.tell(link, message(again, sender=index), other)
    after = world.elements(name)[key_of(index)]
    assert (after.value, after.ends_in_s <= 10) == (str(V), True)
    assert sum(key_of(index) in world.elements(each) for each in ("sessions", "offers")) == 1
    assert door.counters().taken == 4
    datagram = message(4, receiver=index) if kind == 2 else message(2, receiver=os.urandom(4) + index)
    scene.ask(mine, datagram)
    assert scene.hears(V, datagram)


def test_no_link_takes_what_the_hub_watches(world: World, scene: Scene, door: FrontDoor) -> None:
    """Gives out the index of no session, by which the hub sees that nobody has emptied the map."""
    with pytest.raises(PermissionError):
        scene.tell(T, message(2, sender=bytes(4)), scene.machine(66))
    assert world.elements("sessions")["0x0"].value == "0"
    assert door.restore() is DoorRepair.NONE


@pytest.mark.parametrize("version", [4, 6])
def test_a_link_answers_once_and_only_what_it_was_handed(
    world: World, scene: Scene, door: FrontDoor, version: int
) -> None:
    """Answers for nothing, for another link, to another machine, and twice."""
    mine, other, asked = scene.machine(), scene.machine(66), os.urandom(4)
    scene.hand_on(V, mine, asked, version)
    answers = [
        (T, mine, message(2, sender=os.urandom(4), receiver=asked)),
        (V, other, message(2, sender=os.urandom(4), receiver=asked)),
        (V, mine, message(2)),
        (V, mine, message(2)[:16]),
    ]
    for link, machine, answer in answers:
        with pytest.raises(PermissionError):
            scene.say(link, answer, machine, version)
    index = os.urandom(4)
    scene.say(V, message(2, sender=index, receiver=asked), mine, version)
    for _ in range(3):
        with pytest.raises(PermissionError):
            scene.say(V, message(2, sender=os.urandom(4), receiver=asked), mine, version)
    assert world.elements("sessions").keys() == {"0x0", key_of(index)}
    assert door.counters().unasked == 7
    # A machine that uses its index again is handed on again.
    scene.tell(V, message(2, sender=os.urandom(4), receiver=asked), mine, version)
    assert len(world.elements("sessions")) == 3
    known = world.elements("known4") if version == 4 else world.elements("links6")
    assert [each.value for each in known.values()] == [str(V)]


def _socket_of_another(family: int) -> socket.socket:
    with acting_as(1):
        return socket.socket(family, socket.SOCK_DGRAM)


def test_only_the_hub_s_process_hands_messages_to_links(world: World, scene: Scene, door: FrontDoor) -> None:
    """Sends as another user of the hub's host to a link, and to the process as if the kernel had chosen its socket."""
    desk = world.hub.in_network(lambda: known_port(world.names.door))
    for to, family in (("127.0.0.1", socket.AF_INET), (HUB4, socket.AF_INET), (HUB6, socket.AF_INET6)):
        with closing(world.hub.in_network(partial(_socket_of_another, family))) as theirs:
            with pytest.raises(PermissionError):
                theirs.sendto(initiation(scene.keys[V]), (to, V))
            theirs.sendto(initiation(scene.keys[V]), (to, desk))
    assert not world.elements("asked")
    assert not world.elements("handed4")
    wait_until(lambda: door.counters().closed == 6)
    assert door.counters().demultiplexed == door.counters().unknown_key == 0


def test_programs_of_the_host_share_a_stranger_s_pace(world: World, scene: Scene, door: FrontDoor) -> None:
    """Sends first messages from many addresses of the loopback link: strangers elsewhere are heard all the same."""
    for number in range(1, 51):
        with world.hub.socket(socket.AF_INET, socket.SOCK_DGRAM) as local:
            local.bind((f"127.0.1.{number}", 0))
            for _ in range(60):
                local.sendto(initiation(), ("127.0.0.1", PORT))
    wait_until(lambda: door.counters().stranger_pace > 2000)
    assert door.counters().strangers_pace == 0
    datagram = initiation(scene.keys[V])
    scene.ask(scene.machine(), datagram)
    assert scene.hears(V, datagram)


def test_an_answer_leaves_from_the_address_asked_last(world: World, scene: Scene, door: FrontDoor) -> None:
    """Forges an earlier message to another of the hub's addresses, which must not count."""
    other = "192.0.2.2"
    world.hub.run("ip", "address", "add", f"{other}/24", "dev", "eth0")
    mine = scene.machine()
    for address in (other, HUB4, other, HUB4):
        datagram = initiation(scene.keys[V])
        scene.ask(mine, datagram, address)
        assert scene.hears(V, datagram)
        assert scene.say(V, answer_to(datagram), mine) == address
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
