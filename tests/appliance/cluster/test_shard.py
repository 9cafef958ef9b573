"""A shard's network goes on at another hub, with its address, keys, sessions' machines and rules."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, ip_address
from itertools import groupby
from pathlib import Path

import pytest

from appliance.cli import shard as shard_hub
from appliance.cluster.addresses import LanAddress
from appliance.cluster.etcd import Endpoint, Etcd
from appliance.cluster.guidance import Guidance
from appliance.cluster.tenure import Pace
from appliance.hub.wireguard import choose
from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.configuration import Configuration
from appliance.model.errors import NotEnforced, Unavailable
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.model.policy import Action, Policy
from appliance.service import Actor, Context, policy
from appliance.service.owners import OwningHubs
from appliance.store import Store, machines, organizations, policies, shards, times
from appliance.store.shards import Shard
from netlab import Capture, Lab, LabHost, Link, NamespaceHost, Process, Tunnel, UdpStream, wg_quick
from tests.appliance.cluster.authority import Authority
from tests.appliance.cluster.etcd_members import EtcdMembers, members
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME, OLD, opens, sealed
from tests.waiting import DEADLINE, wait_until

_SHARD = Shard("xyz", "192.0.2.100", 51820)
_PACE = Pace()
_PORT = 9000

pytestmark = pytest.mark.full


@dataclass
class HubHost:
    """A host that competes for the shard.

    Attributes:
        processes: its hubs so far, the latest last.
    """

    host: NamespaceHost
    public: Link
    inner: Link
    processes: list[Process] = field(default_factory=list)

    def has_the_address(self) -> bool:
        """Tells whether the shard's address leads here."""
        return f"{_SHARD.address}/32" in self.host.addresses()


@dataclass
class World:
    """Hub hosts, etcd, and two machines of one organization."""

    store: Store
    url: str
    etcd: EtcdMembers
    hubs: list[HubHost]
    machines: list[LabHost]
    tunnels: list[Tunnel]
    folder: Path
    authority: Authority
    web: LabHost

    def start(self, hub: HubHost) -> None:
        """Starts a hub for the shard on a host."""
        name = hub.host.name

        def body() -> None:
            # Before any thread starts, as the command does it.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            store = Store(self.url)
            host = shard_hub.Host(
                name=name,
                etcd=Etcd(self.etcd.endpoints, 0.4),
                guidance=Guidance(Etcd(self.etcd.endpoints, 0.4)),
                store=store,
                vault=opens(store, OLD),
                backend=choose("auto"),
                address=LanAddress(ip_address(_SHARD.address), hub.public.interface),
                state_folder=self.folder / name / "rules",
                socket_path=self.folder / name / "hub.sock",
                allowed_uids={0},
                calls=Endpoint(hub.inner.addresses[0].partition("/")[0], 0),
                identity=self.authority.identity(name),
                pace=_PACE,
            )
            shard_hub.serve(_SHARD, host)

        hub.processes.append(hub.host.fork(body, name, log="hub"))

    def context(self) -> Context:
        """Makes what the web host's use cases work with."""
        etcd = Etcd(self.etcd.endpoints, 0.4)
        return Context(self.store, OwningHubs(self.store, etcd, self.authority.client("web")), "vpn.example.net", 51820)

    def save(self, context: Context, default: Action) -> None:
        """Saves a policy without rules, from the web host."""
        self.web.in_network(lambda: policy.save(context, Actor.operator(ACME), Policy(default, ())))

    def default(self) -> Action:
        """Reads the default of the policy that is stored."""
        with self.store.read() as transaction:
            return policies.load(transaction, ACME).policy.default

    def owner(self) -> HubHost:
        """Waits until a host has the address."""
        wait_until(lambda: any(each.has_the_address() for each in self.hubs), self.logs)
        return next(each for each in self.hubs if each.has_the_address())

    def logs(self) -> str:
        return "\n".join(each.log_text() for hub in self.hubs for each in hub.processes)

    def knows_endpoints(self) -> bool:
        """Tells whether the store has an endpoint of each machine, to which another owner would turn."""
        with self.store.read() as transaction:
            return len(machines.endpoints(transaction, ACME)) == len(self.machines)

    def handshakes(self) -> list[int]:
        """Reads when each machine has completed its last handshake; seconds since the epoch, 0 for never."""
        return [tunnel.peers()[0].latest_handshake for tunnel in self.tunnels]

    def reaches(self) -> bool:
        """Tells whether the first machine reaches the second one."""
        return bool(self.machines[0].ping("10.100.0.3", timeout=1.0, interval=0.05))


@pytest.fixture
def world(database: str, store: Store, tmp_path: Path) -> Iterator[World]:
    """Two hosts that compete for a shard with one organization of two machines."""
    sealed(store)
    pairs = [new_key_pair() for _ in range(2)]
    with store.write() as transaction:
        shards.create(transaction, _SHARD)
        organizations.place(transaction, ACME, _SHARD.id)
        organization = organizations.find(transaction, ACME)
        assert organization is not None
        for number, pair in enumerate(pairs, 2):
            name, address = f"machine{number}", IPv4Address(f"10.100.0.{number}")
            machine = Machine(f"{name}xyz", name, name, address, pair.public, (), times.now())
            machines.create(transaction, ACME, machine)
    with Lab() as lab, ExitStack() as stack:
        internet, inner = lab.switch("internet"), lab.switch("inner")
        etcd = stack.enter_context(members(lab, inner))
        made = World(store, database, etcd, [], [], [], tmp_path, Authority(tmp_path / "authority"), lab.host("web"))
        lab.connect(made.web, inner, "198.51.100.50/24")
        for number in (1, 2):
            host = lab.host(f"hub{number}")
            assert isinstance(host, NamespaceHost)
            public = lab.connect(host, internet, f"192.0.2.{number}/24")
            made.hubs.append(HubHost(host, public, lab.connect(host, inner, f"198.51.100.{number}/24")))
        for number, pair in enumerate(pairs, 2):
            host = lab.host(f"machine{number}")
            lab.connect(host, internet, f"192.0.2.{10 + number}/24")
            made.machines.append(host)
            address = IPv4Address(f"10.100.0.{number}")
            endpoint = f"{_SHARD.address}:{_SHARD.port}"
            text = Configuration(
                "m", "acme", pair.private, address, DEFAULT_NETWORK, organization.hub_public_key, endpoint
            ).text()
            made.tunnels.append(wg_quick(host, text))
        for hub in made.hubs:
            made.start(hub)
        yield made
        # A lab's end kills what would clear its host.
        for hub in made.hubs:
            hub.processes[-1].signal(signal.SIGCONT)


def power_is_cut(hub: HubHost) -> None:
    hub.public.down()
    hub.inner.down()
    hub.processes[-1].signal(signal.SIGKILL)


def is_stopped(hub: HubHost) -> None:
    hub.processes[-1].signal(signal.SIGSTOP)


def is_cut_off_from_etcd(hub: HubHost) -> None:
    hub.inner.down()


def gives_it_up(hub: HubHost) -> None:
    hub.processes[-1].signal(signal.SIGINT)


@on_postgresql
@pytest.mark.parametrize("harm", [power_is_cut, is_stopped, is_cut_off_from_etcd, gives_it_up])
def test_a_network_goes_on_at_another_hub(world: World, harm: Callable[[HubHost], None]) -> None:
    first = world.owner()
    wait_until(world.reaches, world.logs)
    wait_until(world.knows_endpoints, world.logs)
    with (
        Capture(world.machines[1], "eth0", f"udp and src host {_SHARD.address}") as heard,
        UdpStream(world.machines[0], world.machines[1], "10.100.0.3", _PORT, interval_s=0.01) as stream,
    ):
        stream.wait_delivery(time.monotonic_ns(), DEADLINE)
        moment = time.monotonic_ns()
        harm(first)
        second = next(each for each in world.hubs if each is not first)
        wait_until(second.has_the_address, world.logs)
        took = time.monotonic_ns()
        wait_until(lambda: bool(stream.received_since(took)), world.logs)
        # By their hardware addresses: after the second hub's first packet, none comes from the first one.
        assert len(list(groupby(packet.src for packet in heard.packets()))) == 2
    gap = max(b.received_ns - a.received_ns for a, b in zip(stream.received(), stream.received()[1:], strict=False))
    print(f"{harm.__name__}: address after {(took - moment) / 1e9:.2f} s, silent for {gap / 1e9:.2f} s")
    if harm is is_cut_off_from_etcd:
        # It keeps what it has until it hears that another has the shard.
        first.inner.up()
    if harm in (gives_it_up, is_cut_off_from_etcd):
        # Nothing of the shard is left on the first host.
        wait_until(lambda: not first.has_the_address() and not first.host.run("ip", "netns").stdout, world.logs)


@on_postgresql
def test_machines_without_traffic_are_turned_to_after_a_move(world: World) -> None:
    """Moves the shard from hub to hub, with machines that send nothing, and begin no handshake for two minutes."""
    for _ in range(3):
        owner = world.owner()
        wait_until(lambda: all(world.handshakes()), world.logs)
        before = max(world.handshakes())
        wait_until(partial(_is_over, before + 1))
        gives_it_up(owner)
        wait_until(partial(_have_shaken_hands_since, world, before), world.logs)
        world.start(owner)


def _is_over(second: int) -> bool:
    return time.time() > second


def _have_shaken_hands_since(world: World, before: int) -> bool:
    return min(world.handshakes()) > before


@on_postgresql
def test_a_shard_goes_on_when_etcd_has_its_majority_again(world: World) -> None:
    first = world.owner()
    wait_until(world.reaches, world.logs)
    with UdpStream(world.machines[0], world.machines[1], "10.100.0.3", _PORT, interval_s=0.01) as stream:
        stream.wait_delivery(time.monotonic_ns(), DEADLINE)
        for number in (0, 1):
            world.etcd.kill(number)
        wait_until(lambda: not first.has_the_address(), world.logs)
        wait_until(lambda: not _flows(stream), world.logs)
        back = time.monotonic_ns()
        for number in (0, 1):
            world.etcd.start(number)
        wait_until(lambda: bool(stream.received_since(back)), world.logs)
        print(f"flows {(stream.received_since(back)[0].received_ns - back) / 1e9:.2f} s after etcd is back")
    assert first.has_the_address()
    # Nothing was built anew.
    assert first.processes[-1].log_text().count("organization enforced") == 1


@on_postgresql
def test_a_save_is_enforced_by_the_owner_whoever_that_is(world: World) -> None:
    first = world.owner()
    wait_until(world.reaches, world.logs)
    wait_until(world.knows_endpoints, world.logs)
    context = world.context()
    with UdpStream(world.machines[0], world.machines[1], "10.100.0.3", _PORT, interval_s=0.005) as stream:
        stream.wait_delivery(stream.mark(), DEADLINE)
        world.save(context, Action.DENY)
        assert_silent(stream)
        world.save(context, Action.ALLOW)
        stream.wait_delivery(stream.mark(), DEADLINE)
        power_is_cut(first)
        refusals = save_at_last(world, context, Action.DENY)
        assert refusals
        assert all(each.retry_after for each in refusals)
        assert_silent(stream)
        world.save(context, Action.ALLOW)
        wait_until(partial(_flows, stream), world.logs)


def assert_silent(stream: UdpStream) -> None:
    """Checks that nothing of what is sent from now on arrives."""
    moment = stream.mark()
    wait_until(lambda: len(stream.sent_in(moment, stream.mark())) > 100)
    assert stream.delivered_sent_in(moment, stream.mark()) == []


def save_at_last(world: World, context: Context, default: Action) -> list[NotEnforced | Unavailable]:
    """Saves a policy again and again until that succeeds; returns the refusals, each of which changed nothing."""
    refusals: list[NotEnforced | Unavailable] = []

    def is_saved() -> bool:
        before = world.default()
        try:
            world.save(context, default)
        except (NotEnforced, Unavailable) as refusal:
            assert world.default() is before
            refusals.append(refusal)
            return False
        return True

    wait_until(is_saved, world.logs)
    return refusals


def _flows(stream: UdpStream) -> bool:
    return bool(stream.received_since(stream.mark() - 100_000_000))
