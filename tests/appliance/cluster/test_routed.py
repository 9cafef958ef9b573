"""A shard's address leads to its owner by BGP, with real BIRD or FRR on the hubs and the example's files."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from appliance.cluster.addresses import HostAddress, PublicAddress
from appliance.store import Store
from netlab import LabHost, Process, Switch, UdpStream
from tests.appliance.cluster.example import EXAMPLE, installed
from tests.appliance.cluster.held import held, watch
from tests.appliance.cluster.hub_hosts import SHARD, HubHost, HubHosts, hub_hosts, knows_endpoints, place_acme
from tests.appliance.cluster.routing import Bird, Frr, RoutingDaemon, ask_bird, start_bird
from tests.appliance.cluster.silence import silence_s
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_ROUTER = "192.0.2.254"
_PORT = 9000
_MAJORITY = 2
# The kernel takes a former owner's address off two seconds after its last renewal of at most 0.7 s, or later by a
# second at most; the next owner can't have begun before the lease's two seconds are over.
_BOTH_S = 1.7


def own(hub: HubHost) -> str:
    """Returns a host's own public address."""
    return hub.public.addresses[0].partition("/")[0]


@dataclass
class World(HubHosts):
    """Two hub hosts behind a router, and two machines beyond it.

    Attributes:
        beyond: switch of the machines.
        routers: the router, once it is there.
        watches: programs that write down when each hub host has the shard's address.
    """

    beyond: list[Switch] = field(default_factory=list)
    routers: list[LabHost] = field(default_factory=list)
    machines: list[LabHost] = field(default_factory=list)
    watches: list[Process] = field(default_factory=list)

    def public_address(self, hub: HubHost) -> PublicAddress:
        """Puts the address where the routing daemon looks for it."""
        del hub
        return HostAddress(ip_address(SHARD.address), "lo")

    def attach(self, host: LabHost, number: int) -> None:
        """Connects a machine beyond the router."""
        self.lab.connect(host, self.beyond[0], f"203.0.113.{number}/24")
        host.route("default", via="203.0.113.254")

    def put_up_routers(self, routing: RoutingDaemon) -> None:
        """Puts up the router, with BIRD, and a routing daemon on each hub host."""
        self.beyond.append(self.lab.switch("beyond"))
        router = self.lab.router("router")
        self.lab.connect(router, self.internet, f"{_ROUTER}/24")
        self.lab.connect(router, self.beyond[0], "203.0.113.254/24")
        self.routers.append(router)
        start_bird(router, EXAMPLE / "router.conf")
        for hub in self.hubs:
            hub.host.route("default", via=_ROUTER)
            self.watches.append(watch(hub.host, "lo"))
            routing.start(hub.host, own(hub), self.folder)
        wait_until(lambda: all(map(self.is_neighbour, self.hubs)), self.told)

    def is_neighbour(self, hub: HubHost) -> bool:
        """Tells whether the router speaks BGP with a hub host, and would notice by BFD that it is gone."""
        seen = ask_bird(self.routers[0], "show", "bfd", "sessions").splitlines()
        is_watched = any(line.startswith(f"{own(hub)} ") and " Up " in line for line in seen)
        return is_watched and "Established" in ask_bird(self.routers[0], "show", "protocols", hub.host.name)

    def told(self) -> str:
        """Returns what the router's BIRD has to tell, and the hubs' logs."""
        return ask_bird(self.routers[0], "show", "protocols", "all") + self.logs()

    def way(self) -> str | None:
        """Next hop of the shard's address in the router's kernel; None if there is none."""
        words = self.routers[0].run("ip", "route", "show", f"{SHARD.address}/32").stdout.split()
        return words[words.index("via") + 1] if "via" in words else None

    def leads_to(self, hub: HubHost) -> bool:
        """Tells whether the router sends the shard's packets to a hub host."""
        return self.way() == own(hub)

    def unannounced(self, first: HubHost, second: HubHost) -> float:
        """Returns the seconds between the end of the shard's address on one host and its begin on another.

        It is negative if both had it, and announced it.
        """
        ((_, end),), ((begin, _),) = (
            held(self.watches[self.hubs.index(each)].log_text(), SHARD.address) for each in (first, second)
        )
        return begin - end

    def stream(self) -> UdpStream:
        return UdpStream(self.machines[0], self.machines[1], "10.100.0.3", _PORT, interval_s=0.01)


@pytest.fixture(params=[Bird, Frr])
def routing(request: pytest.FixtureRequest) -> RoutingDaemon:
    """Provides each routing daemon; skips the test if the machine has none."""
    made: RoutingDaemon = request.param()
    made.check()
    return made


@pytest.fixture
def world(routing: RoutingDaemon, database: str, store: Store, tmp_path: Path) -> Iterator[World]:
    """Provides two hubs behind a router, for a shard with one organization of two machines."""
    installed("bird")
    place_acme(store)
    with hub_hosts(World, store, database, tmp_path, 2) as made:
        made.put_up_routers(routing)
        for number in (2, 3):
            made.machines.append(made.connect_machine(ACME, number)[0])
        assert made.way() is None
        for hub in made.hubs:
            made.start(hub)
        yield made


def power_is_cut(hub: HubHost) -> None:
    hub.loses_power()


def is_killed(hub: HubHost) -> None:
    hub.is_killed()


def is_stopped(hub: HubHost) -> None:
    hub.processes[-1].signal(signal.SIGSTOP)


def gives_it_up(hub: HubHost) -> None:
    hub.processes[-1].signal(signal.SIGINT)


def flowing(world: World, stream: UdpStream) -> None:
    """Waits until the stream flows, and the store knows where the machines are."""
    stream.wait_delivery(stream.mark(), DEADLINE)
    wait_until(lambda: knows_endpoints(world.store, {ACME: len(world.machines)}), world.told)


@on_postgresql
@pytest.mark.parametrize("harm", [power_is_cut, is_killed, is_stopped, gives_it_up])
def test_the_router_follows_a_shard_to_its_next_owner(world: World, harm: Callable[[HubHost], None]) -> None:
    first = world.owner()
    wait_until(lambda: world.leads_to(first), world.told)
    second = next(each for each in world.hubs if each is not first)
    with world.stream() as stream:
        flowing(world, stream)
        moment = stream.mark()
        harm(first)
        wait_until(lambda: world.leads_to(second), world.told)
        led = stream.mark()
        stream.wait_delivery(led, DEADLINE)
    wait_until(lambda: not first.has_the_address(), world.told)
    nobody = world.unannounced(first, second)
    gap = silence_s(stream)
    after = (led - moment) / 1e9
    print(f"{harm.__name__}: led elsewhere after {after:.2f} s, silent for {gap:.2f} s, unannounced for {nobody:.2f} s")
    # Nobody hears a host whose power is cut.
    if harm is not power_is_cut:
        assert nobody >= (0 if harm is gives_it_up else -_BOTH_S)


@on_postgresql
def test_the_route_is_gone_while_the_door_is_shut(world: World) -> None:
    first = world.owner()
    wait_until(lambda: world.leads_to(first), world.told)
    with world.stream() as stream:
        flowing(world, stream)
        lost = world.etcd.processes[:_MAJORITY]
        for each in lost:
            each.signal(signal.SIGSTOP)
        wait_until(lambda: world.way() is None, world.told)
        for each in lost:
            each.signal(signal.SIGCONT)
        wait_until(lambda: world.way() is not None, world.told)
        stream.wait_delivery(stream.mark(), DEADLINE)


@on_postgresql
def test_other_addresses_of_the_link_are_not_announced(world: World, routing: RoutingDaemon) -> None:
    first = world.owner()
    wait_until(lambda: world.leads_to(first), world.told)
    first.host.run("ip", "address", "add", "192.0.2.77/32", "dev", "lo")
    wait_until(lambda: "192.0.2.77" in routing.routes(first.host), world.told)
    told = routing.announced(first.host)
    assert SHARD.address in told
    assert "192.0.2.77" not in told
