"""Each organization, address and network has a share of its own."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

import pytest
from structlog.testing import capture_logs

from appliance.hub.front_door import FrontDoor, demultiplexer, rules
from appliance.hub.front_door.memory import BEGUN_OF, KNOWN_OF, OFFERED_OF, REGULARS_OF
from appliance.hub.front_door.table import known_port
from appliance.model.keys import new_key_pair
from tests.appliance.hub.front_door.attacks import initiation, message, send, send_from
from tests.appliance.hub.front_door.scene import Scene, T, V, key_of, slow
from tests.appliance.hub.front_door.world import HUB6, PORT, World
from tests.waiting import wait_until


def test_known_sources_are_bounded_per_link(
    world: World, scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "KNOWN_OF", slow(KNOWN_OF))
    scene.rebuild()
    machines = [scene.machine(66) for _ in range(12)]
    for machine in machines:
        scene.tell(T, message(2), machine)
    known = [each.value for each in world.elements("known4").values()]
    assert 3 <= len(known) < 9
    assert door.counters().known_of == len(machines) - len(known)
    with capture_logs() as logs:
        assert door.levels()
    assert [each["bound"] for each in logs if "bound" in each] == ["known_of"]
    mine = scene.machine()
    scene.tell(V, message(2), mine)
    assert world.elements("known4")[mine.source()].value == str(V)


def test_sessions_that_the_hub_begins_are_bounded_per_link(
    world: World, scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "BEGUN_OF", slow(BEGUN_OF))
    scene.rebuild()
    theirs, mine = scene.machine(66), scene.machine()
    for link, machine, count in ((T, theirs, 12), (V, mine, 1)):
        for _ in range(count):
            index = os.urandom(4)
            scene.tell(link, message(1, sender=index), machine)
            datagram = message(2, receiver=os.urandom(4) + index)
            scene.ask(machine, datagram)
            assert scene.hears(link, datagram)
    begun = [each.value for each in world.elements("sessions").values()]
    assert 3 <= begun.count(str(T)) < 9
    assert begun.count(str(V)) == 1
    assert door.counters().begun_of == 12 - begun.count(str(T))


def test_first_messages_of_each_link_have_their_own_rate(
    world: World, scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Has a link offer without end: it fills a share of the room, and another link's offers go on."""
    monkeypatch.setattr(rules, "OFFERED_OF", slow(OFFERED_OF))
    scene.rebuild()
    theirs, mine, sent = scene.machine(66), scene.machine(), 0
    for _ in range(12):
        with suppress(PermissionError):
            scene.say(T, message(1), theirs)
            sent += 1
    offered = [each.value for each in world.elements("offers").values()]
    assert 3 <= sent < 9
    assert offered == [str(T)] * sent
    assert door.counters().offered_of == 12 - sent
    with capture_logs() as logs:
        assert door.levels()
    assert [each["bound"] for each in logs if "bound" in each] == ["offered_of"]
    index = os.urandom(4)
    scene.say(V, message(1, sender=index), mine)
    assert world.elements("offers")[key_of(index)].value == str(V)


def test_a_link_makes_no_more_sessions_than_it_was_handed(world: World, scene: Scene, door: FrontDoor) -> None:
    theirs, mine, refused = scene.machine(66), scene.machine(), 0
    asked = [os.urandom(4) for _ in range(5)]
    for each in asked:
        scene.hand_on(T, theirs, each)
    for _ in range(4):
        for each in (*asked, os.urandom(4)):
            try:
                scene.say(T, message(2, sender=os.urandom(4), receiver=each), theirs)
            except PermissionError:
                refused += 1
    made = [each.value for key, each in world.elements("sessions").items() if key != "0x0"]
    assert made == [str(T)] * 5
    assert refused == door.counters().unasked == 19
    with capture_logs() as logs:
        assert door.levels()
    assert [each["bound"] for each in logs if "bound" in each] == ["unasked"]
    scene.tell(V, message(2), mine)
    assert str(V) in [each.value for each in world.elements("sessions").values()]


def test_known_sources_of_each_link_have_their_own_rate(
    scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Treats initiations above the rate like those of strangers."""
    monkeypatch.setattr(rules, "REGULARS_OF", slow(REGULARS_OF))
    scene.rebuild()
    mine, theirs = scene.machine(), [scene.machine(66) for _ in range(12)]
    for link, machine in ((V, mine), *((T, each) for each in theirs)):
        scene.tell(link, message(2), machine)
    for machine in theirs:
        scene.ask(machine, initiation(scene.keys[T]))
    wait_until(lambda: door.counters().demultiplexed == len(theirs))
    assert 3 <= door.counters().regulars_of < 12
    before = door.counters().regulars_of
    datagram = initiation(scene.keys[V])
    scene.ask(mine, datagram)
    assert scene.hears(V, datagram)
    assert door.counters().regulars_of == before


def test_each_organization_has_its_own_share_of_initiations(scene: Scene, door: FrontDoor) -> None:
    """Floods with initiations for one organization from many addresses: all those for the others are answered."""
    mine, count = scene.machine(), 1000
    with capture_logs() as logs:
        for round_ in range(10):
            theirs = ((f"198.18.{round_}.{number}", 1000 + number) for number in range(count // 10))
            send_from(scene.machine(66).host, [(source, initiation(scene.keys[T])) for source in theirs])
            datagram = initiation(scene.keys[V])
            scene.ask(mine, datagram)
            assert scene.hears(V, datagram)
        wait_until(lambda: (c := door.counters()).demultiplexed + c.link_share + c.crowded + c.overflow >= count + 10)
    counters = door.counters()
    assert counters.link_share > count / 2
    told = [each for each in logs if each["event"] == "an organization asks for more handshakes than its share"]
    assert [(each["organization"], each["log_level"]) for each in told] == [("hostile", "warning")]


def test_overloading_organizations_take_turns(scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queues many initiations of one address: those of another address are still answered."""
    monkeypatch.setattr(demultiplexer, "HANDSHAKES", (5, 5))
    scene.rebuild()
    mine, count = scene.machine(), 60
    send_from(scene.machine(66).host, [((f"198.18.0.{n}", 4000), initiation(scene.keys[T])) for n in range(1, count)])
    wait_until(lambda: door.counters().demultiplexed >= 5)
    for _ in range(2):
        datagram = initiation(scene.keys[V])
        scene.ask(mine, datagram)
        assert scene.hears(V, datagram)
    assert door.counters().demultiplexed < count / 2
    assert door.levels()["found"].entries == 1


def test_a_flooding_address_leaves_other_addresses_their_turn(scene: Scene, door: FrontDoor) -> None:
    """Floods the queue in front of the search for the organization, which must not fill up."""
    mine = scene.machine()
    for _ in range(10):
        send(scene.machine(66).host, [initiation() for _ in range(100)])
        datagram = initiation(scene.keys[V])
        scene.ask(mine, datagram)
        assert scene.hears(V, datagram)
    counters = door.counters()
    assert counters.stranger_pace > 0
    assert counters.overflow == 0


def test_all_machines_behind_one_address_connect_at_once(scene: Scene, door: FrontDoor) -> None:
    """Queues as many initiations of one address as the rules let through."""
    key = new_key_pair()
    door.admit("office", key.public, 23009, machines=100)
    send_from(scene.machine(66).host, [(("198.18.0.1", 4000 + n), initiation(key.public)) for n in range(100)])
    wait_until(lambda: door.counters().demultiplexed == 100)
    assert (door.counters().crowded, door.counters().link_share) == (0, 0)


@pytest.mark.parametrize(("spread", "count"), [(16, 1500), (8, 350)])
def test_ipv6_networks_are_limited_in_rate(scene: Scene, door: FrontDoor, spread: int, count: int) -> None:
    """Floods from /64 networks within one /48 or /56, which share a rate; other networks are not affected."""
    hostile = 0x20010DB8_00FF_0000 << 64

    def flood(number: int, many: int) -> None:
        sources = (
            (str(ip_address(hostile + (number << 80) + ((each % 2**spread) << 64) + 1)), 4000) for each in range(many)
        )
        send_from(scene.machine(66).host, [(source, initiation()) for source in sources], HUB6)

    def is_heard() -> bool:
        flood(50, 1)
        return door.counters().unknown_key > 0

    # Until the kernel knows the hub's link-layer address, it keeps few packets, and drops them if nobody tells it.
    wait_until(is_heard)
    flood(0, count)
    before = door.counters().stranger_pace
    assert before > 0
    for number in range(1, 50):
        flood(number, 1)
    assert door.counters().stranger_pace == before
    assert door.counters().strangers_pace == 0


@pytest.mark.parametrize(
    ("kind", "to"),
    [("broadcast", "192.0.2.255"), ("everybody", "255.255.255.255"), ("multicast", "224.0.0.1"), ("six", "ff02::1")],
)
def test_broadcasts_reach_no_inner_port(world: World, door: FrontDoor, kind: str, to: str) -> None:
    del kind
    organization, stranger = world.organizations[0], world.host(66)
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    desk = world.hub.in_network(lambda: known_port(world.names.door))
    before = door.counters()
    with stranger.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        for port in (organization.inner_port, desk, PORT):
            sock.sendto(initiation(organization.keys.public), (to, port))
    wait_until(lambda: door.counters().closed - before.closed == 3)
    assert replace(door.counters(), closed=before.closed) == before


def test_real_clients_connect_beside_a_flooding_organization(world: World, scene: Scene, door: FrontDoor) -> None:
    """Floods from known sources of all links of an organization, which also answers for its own sessions."""
    theirs = [scene.machine(66) for _ in range(40)]
    indices = [os.urandom(4) for _ in theirs]
    for machine, index in zip(theirs, indices, strict=True):
        scene.tell(T, message(2, sender=index), machine)
    for number in range(3):
        for machine, index in zip(theirs, indices, strict=True):
            for _ in range(30):
                scene.ask(machine, initiation(scene.keys[T]))
                scene.ask(machine, message(2, receiver=os.urandom(4) + index))
        with world.answering_the_first_initiation(12 + number):
            assert world.machine(world.organizations[number % 2], 12 + number).reaches_the_hub()
    assert door.counters().regular_pace > 0


def test_an_organization_s_share_follows_its_machines(world: World, door: FrontDoor) -> None:
    keys = new_key_pair()
    for machines in (1, 300):
        door.admit("grows", keys.public, 23009, machines)
    host = world.host(66)
    send_from(host, [((f"198.18.{n % 5}.{n}", 4000), initiation(keys.public)) for n in range(250)])
    wait_until(lambda: (c := door.counters()).demultiplexed + c.link_share + c.overflow == 250)
    assert door.counters().link_share == 0
