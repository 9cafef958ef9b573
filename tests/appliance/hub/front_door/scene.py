"""Two organizations behind a front door, with sockets in place of links and machines."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from appliance.hub.front_door import FrontDoor, front, transactions
from appliance.hub.front_door.datagram import Arrival, packet
from appliance.hub.front_door.memory import MEMORIES, Memory, Meter
from netlab import LabHost
from tests.appliance.hub.front_door.attacks import message
from tests.appliance.hub.front_door.world import HUB4, HUB6, PORT, World
from tests.waiting import DEADLINE, wait_until

_NAMES = {23001: "ordinary", 23002: "hostile"}
V, T = 23001, 23002
"""Inner ports: of an ordinary organization, and of a hostile one."""

_ANSWER = b"\2\0\0\0"


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
        """Sends a datagram from a link to a machine, after handing the link what it answers; returns as `say` does."""
        if datagram.startswith(_ANSWER):
            self.hand_on(link, machine, datagram[8:12], version)
        return self.say(link, datagram, machine, version)

    def say(self, link: int, datagram: bytes, machine: Machine, version: int = 4) -> str:
        """Sends a datagram from a link to a machine; returns the source address that the machine sees.

        Raises:
            PermissionError: the rules drop it.
        """
        to = machine.address(version)
        self._links[link].sendto(datagram, (to if version == 6 else f"::ffff:{to}", machine.port))
        heard, source = machine.socket.recvfrom(2048)
        assert heard == datagram
        assert source[1] == PORT
        return str(source[0]).removeprefix("::ffff:")

    def hand_on(self, link: int, machine: Machine, index: bytes, version: int = 4) -> None:
        """Hands a first message to a link as the hub's process does, with the machine's index in it."""
        datagram, hub = message(1, sender=index), HUB4 if version == 4 else HUB6
        data = packet(Arrival(version, datagram, (machine.address(version), machine.port), hub, 0), link)
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with self.world.hub.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(data, (hub, 0))
        assert self.hears(link, datagram)

    def ask(self, machine: Machine, datagram: bytes, hub: str = HUB4) -> None:
        """Sends a datagram from a machine to the hub."""
        machine.socket.sendto(datagram, (hub if ":" in hub else f"::ffff:{hub}", PORT))

    def cross(self, link: int, other: int, datagram: bytes, hub: str) -> None:
        """Sends a datagram from a link to another one's port, as to a machine that claims the hub's own address."""
        self._links[link].sendto(datagram, (hub if ":" in hub else f"::ffff:{hub}", other))

    def hears(self, link: int, datagram: bytes) -> bool:
        """Tells whether this is the next datagram that a link receives."""
        return self._links[link].recv(2048) == datagram


def key_of(index: bytes) -> str:
    return hex(int.from_bytes(index, "big"))


AGED_S = 100.0


def age(world: World, name: str, key: str, left_s: float = AGED_S) -> None:
    """Ages an element, so that it expires in so many seconds unless it is renewed."""
    value = world.elements(name)[key].value
    table, lasts = f"inet {world.names.door} {name}", 600
    end = f" : {value}" if value else ""
    element = f"{{ {key} timeout {lasts}s expires {left_s:.0f}s{end} }}"
    world.hub.run("nft", f"delete element {table} {{ {key} }}; add element {table} {element}")


def end(world: World, name: str, *keys: str) -> None:
    """Brings the ends of elements close, and waits for the kernel to end them."""
    for key in keys:
        age(world, name, key, 1)
    wait_until(lambda: not world.elements(name).keys() & keys)


def slow(meter: Meter) -> Meter:
    """Copies a meter with a rate that a test can exceed."""
    return replace(meter, rate=1, burst=3)


def small(monkeypatch: pytest.MonkeyPatch, **sizes: int) -> None:
    """Reduces the sizes of memories."""
    _change(monkeypatch, tuple(replace(each, size=sizes.get(each.name, each.size)) for each in MEMORIES))


def brief(monkeypatch: pytest.MonkeyPatch, lease_s: int) -> None:
    """Reduces the leases of all memories but meters, whose leases follow from their rates."""
    _change(monkeypatch, tuple(replace(m, lease_s=lease_s) if isinstance(m, Memory) else m for m in MEMORIES))


def _change(monkeypatch: pytest.MonkeyPatch, memories: tuple[Memory | Meter, ...]) -> None:
    for module in (transactions, front):
        monkeypatch.setattr(module, "MEMORIES", memories)
