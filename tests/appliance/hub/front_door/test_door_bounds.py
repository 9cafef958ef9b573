"""The door's memory is bounded in every part, and no sender writes, renews or evicts another's entries."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from ipaddress import ip_address

import pytest
from structlog.testing import capture_logs

from appliance.hub.front_door import FrontDoor, LastEndpoint, demultiplexer, front, netfilter, rules
from appliance.hub.front_door.memory import BEGUN_OF, KNOWN_OF, MEMORIES, REGULARS_OF, RESUMED, Meter
from appliance.hub.front_door.table import known_port
from appliance.model.keys import new_key_pair
from netlab import LabHost
from tests.appliance.hub.front_door.attacks import initiation, message, send, send_from
from tests.appliance.hub.front_door.world import HUB4, HUB6, PORT, World
from tests.waiting import DEADLINE, wait_until

_NAMES = {53001: "ordinary", 53002: "hostile"}
V, T = 53001, 53002
"""Inner ports: of an ordinary organization, and of a hostile one."""


@dataclass(frozen=True)
class Machine:
    """A socket on the internet that takes part in no protocol."""

    host: LabHost
    socket: socket.socket
    number: int

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def address(self, version: int) -> str:
        return f"192.0.2.{self.number}" if version == 4 else f"2001:db8::{self.number:x}"

    def source(self, version: int = 4) -> str:
        return f"{self.address(version)} . {self.port}"


class Scene:
    """An ordinary organization and a hostile one, whose links are sockets that say what a test wants.

    Attributes:
        keys: public, by inner port.
    """

    def __init__(self, world: World, door: FrontDoor, stack: ExitStack) -> None:
        self.world, self.door, self._stack = world, door, stack
        made = {port: stack.enter_context(world.link(door, name, port)) for port, name in _NAMES.items()}
        self.keys = {port: organization.keys.public for port, (organization, _) in made.items()}
        self._links = {port: link for port, (_, link) in made.items()}
        self._hosts = {number: world.host(number) for number in (11, 66)}

    def rebuild(self) -> None:
        """Recreates the door's table from definitions that a test has changed."""
        self.door.close()
        self.world.hub.in_network(self.door.remove)
        self.world.open(self.door)
        for port, key in self.keys.items():
            self.door.admit(_NAMES[port], key, port, machines=2)

    def machine(self, number: int = 11) -> Machine:
        """Provides another socket on the host whose addresses end in this number."""
        sock = self._stack.enter_context(self._hosts[number].socket(socket.AF_INET6, socket.SOCK_DGRAM))
        sock.settimeout(DEADLINE)
        sock.bind(("", 0))
        return Machine(self._hosts[number], sock, number)

    def tell(self, link: int, datagram: bytes, machine: Machine, version: int = 4) -> str:
        """Sends a datagram from a link to a machine; returns the source address that the machine sees."""
        to = machine.address(version)
        self._links[link].sendto(datagram, (to if version == 6 else f"::ffff:{to}", machine.port))
        heard, source = machine.socket.recvfrom(2048)
        assert heard == datagram
        assert source[1] == PORT
        return str(source[0]).removeprefix("::ffff:")

    def ask(self, machine: Machine, datagram: bytes, hub: str = HUB4) -> None:
        """Sends a datagram from a machine to the hub."""
        machine.socket.sendto(datagram, (hub if ":" in hub else f"::ffff:{hub}", PORT))

    def cross(self, link: int, other: int, datagram: bytes, hub: str) -> None:
        """Sends a datagram from a link to another one's port, as to a machine that claims the hub's own address."""
        self._links[link].sendto(datagram, (hub if ":" in hub else f"::ffff:{hub}", other))

    def hears(self, link: int, datagram: bytes) -> bool:
        """Tells whether this is the next datagram that a link receives."""
        return self._links[link].recv(2048) == datagram


@pytest.fixture
def scene(world: World, door: FrontDoor) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(world, door, stack)


def key_of(index: bytes) -> str:
    return hex(int.from_bytes(index, "big"))


AGED_S = 100.0


def age(world: World, name: str, key: str) -> None:
    """Ages an element, so that it expires in `AGED_S` unless it is renewed."""
    value = world.elements(name)[key].value
    table, lasts = f"inet {world.names.door} {name}", 600
    end = f" : {value}" if value else ""
    element = f"{{ {key} timeout {lasts}s expires {AGED_S:.0f}s{end} }}"
    world.hub.run("nft", f"delete element {table} {{ {key} }}; add element {table} {element}")


def slow(meter: Meter) -> Meter:
    """Copies a meter with a rate that a test can exceed."""
    return replace(meter, rate=1, burst=3)


def small(monkeypatch: pytest.MonkeyPatch, **sizes: int) -> None:
    """Reduces the sizes of memories."""
    changed = tuple(replace(each, size=sizes.get(each.name, each.size)) for each in MEMORIES)
    for module in (rules, front):
        monkeypatch.setattr(module, "MEMORIES", changed)


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
    door.admit("office", key.public, 53009, machines=100)
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

    # Until the kernel knows the hub's link-layer address, it keeps few packets.
    flood(50, 1)
    wait_until(lambda: door.counters().unknown_key > 0)
    flood(0, count)
    before = door.counters().stranger_pace
    assert before > 0
    for number in range(1, 50):
        flood(number, 1)
    assert door.counters().stranger_pace == before
    assert door.counters().strangers_pace == 0


def test_a_full_memory_keeps_its_elements(
    world: World, scene: Scene, door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evicts nothing: a source that finds no room is treated as a stranger."""
    small(monkeypatch, sessions=5, offers=4, known4=4, answered4=4, asked=4, strangers4=4, regulars4=4)
    scene.rebuild()
    machines = [scene.machine() for _ in range(7)]
    indices = [os.urandom(4) for _ in machines]
    for machine, index in zip(machines, indices, strict=True):
        scene.tell(V, message(2, sender=index), machine)
        scene.tell(V, message(1, sender=index), machine)
    assert set(world.elements("known4")) == {each.source() for each in machines[:4]}
    assert set(world.elements("sessions")) - {"0x0"} == {key_of(index) for index in indices[:4]}
    assert set(world.elements("offers")) == {key_of(index) for index in indices[:4]}
    levels = door.levels()
    assert {name: levels[name].entries for name in ("sessions", "offers", "known4", "answered4")} == {
        name: levels[name].room for name in ("sessions", "offers", "known4", "answered4")
    }
    for machine in machines:
        datagram = initiation(scene.keys[V])
        scene.ask(machine, datagram)
        assert scene.hears(V, datagram)
    assert len(world.elements("asked")) == len(world.elements("regulars4")) == 4
    before = door.counters()
    for index, machine in zip(indices, machines, strict=True):
        scene.ask(machine, message(4, receiver=index))
    wait_until(lambda: door.counters().sessionless - before.sessionless == 3)
    # A meter that is full lets through: the pace of all strangers together is left.
    send_from(machines[0].host, [((f"198.18.0.{n}", 4000), initiation(scene.keys[V])) for n in range(1, 9)])
    wait_until(lambda: door.counters().demultiplexed - before.demultiplexed == 8)
    assert len(world.elements("strangers4")) == 4


def test_replaced_elements_free_their_room(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletes an element before it gets another value, because older kernels may lose its room for ever."""
    small(monkeypatch, sessions=40)
    scene.rebuild()
    mine, index = scene.machine(), os.urandom(4)
    for _ in range(30):
        scene.tell(V, message(2, sender=index), mine)
    with closing(scene.world.hub.in_network(lambda: netfilter.Reader(scene.world.names.door))) as reader:
        wait_until(lambda: reader.fill(["sessions"]) == {"sessions": 2})


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
        scene.ask(scene.machine(), initiation(scene.keys[V]))
    wait_until(lambda: door.counters().demultiplexed == 3)
    levels = door.levels()
    assert set(levels) == {each.name for each in MEMORIES} | {"unsearched", "found"}
    assert {each.name: len(world.elements(each.name)) for each in MEMORIES} == {
        each.name: levels[each.name].entries for each in MEMORIES
    }
    assert levels["known4"].entries == levels["asked"].entries == 3
    with closing(world.hub.in_network(lambda: netfilter.Reader(world.names.door))) as reader:
        assert {each.name: reader.listed(each.name) for each in MEMORIES} == {
            each.name: levels[each.name].entries for each in MEMORIES
        }
    assert all(0 <= level.entries <= level.room for level in levels.values())


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
    index = os.urandom(4)
    for machine in theirs:
        scene.tell(T, message(2, sender=index), machine)
    for number in range(3):
        for machine in theirs:
            for _ in range(30):
                scene.ask(machine, initiation(scene.keys[T]))
                scene.ask(machine, message(2, receiver=os.urandom(4) + index))
        with world.answering_the_first_initiation(12 + number):
            assert world.machine(world.organizations[number % 2], 12 + number).reaches_the_hub()
    assert door.counters().regular_pace > 0


def test_an_organization_s_share_follows_its_machines(world: World, door: FrontDoor) -> None:
    keys = new_key_pair()
    for machines in (1, 300):
        door.admit("grows", keys.public, 53009, machines)
    host = world.host(66)
    send_from(host, [((f"198.18.{n % 5}.{n}", 4000), initiation(keys.public)) for n in range(250)])
    wait_until(lambda: (c := door.counters()).demultiplexed + c.link_share + c.overflow == 250)
    assert door.counters().link_share == 0
