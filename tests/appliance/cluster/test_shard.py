"""A shard's network goes on at another hub, with its address, keys, sessions' machines and rules."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest

from appliance.model.errors import NotEnforced, Unavailable
from appliance.model.policy import Action, Policy
from appliance.service import Actor, Context, policy
from appliance.store import Store, policies
from netlab import Capture, LabHost, Tunnel, UdpStream
from tests.appliance.cluster.hub_hosts import SHARD, HubHost, HubHosts, hub_hosts, knows_endpoints, place_acme
from tests.appliance.cluster.silence import silence_s
from tests.appliance.databases import on_postgresql
from tests.appliance.sealed import ACME
from tests.waiting import DEADLINE, wait_until

_PORT = 9000
# Longer than a hub that waits for its shard waits between two looks.
_STOPPED_S = 0.5

pytestmark = pytest.mark.full


@dataclass
class World(HubHosts):
    """Two hub hosts, and two machines of one organization."""

    machines: list[LabHost] = field(default_factory=list)
    tunnels: list[Tunnel] = field(default_factory=list)

    def save(self, context: Context, default: Action) -> None:
        """Saves a policy without rules, from the web host."""
        self.web.in_network(lambda: policy.save(context, Actor.operator(ACME), Policy(default, ())))

    def default(self) -> Action:
        """Reads the default of the policy that is stored."""
        with self.store.read() as transaction:
            return policies.load(transaction, ACME).policy.default

    def handshakes(self) -> list[int]:
        """Reads when each machine has completed its last handshake; seconds since the epoch, 0 for never."""
        return [tunnel.peers()[0].latest_handshake for tunnel in self.tunnels]

    def reaches(self) -> bool:
        """Tells whether the first machine reaches the second one."""
        return bool(self.machines[0].ping("10.100.0.3", timeout=1.0, interval=0.05))


@pytest.fixture
def world(database: str, store: Store, tmp_path: Path) -> Iterator[World]:
    """Two hosts that compete for a shard with one organization of two machines."""
    place_acme(store)
    with hub_hosts(World, store, database, tmp_path, 2) as made:
        for number in (2, 3):
            host, tunnel = made.connect_machine(ACME, number)
            made.machines.append(host)
            made.tunnels.append(tunnel)
        for hub in made.hubs:
            made.start(hub)
        yield made


def power_is_cut(hub: HubHost) -> None:
    hub.loses_power()


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
    wait_until(lambda: knows_endpoints(world.store, {ACME: len(world.machines)}), world.logs)
    with (
        Capture(world.machines[1], "eth0", f"udp and src host {SHARD.address}") as heard,
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
    print(f"{harm.__name__}: address after {(took - moment) / 1e9:.2f} s, silent for {silence_s(stream):.2f} s")
    if harm is is_cut_off_from_etcd:
        # It keeps what it has until it hears that another has the shard.
        first.inner.up()
    if harm in (gives_it_up, is_cut_off_from_etcd):
        # Nothing of the shard is left on the first host.
        wait_until(lambda: not first.has_the_address() and not first.host.run("ip", "netns").stdout, world.logs)


@on_postgresql
def test_a_hub_that_was_stopped_while_it_waited_follows(world: World) -> None:
    first = world.owner()
    second = next(each for each in world.hubs if each is not first)
    # It listens before it looks for an owner for the first time.
    wait_until(lambda: bool(second.host.run("ss", "-Hltn").stdout), world.logs)
    for _ in range(3):
        second.processes[-1].signal(signal.SIGSTOP)
        time.sleep(_STOPPED_S)
        second.processes[-1].signal(signal.SIGCONT)
    power_is_cut(first)
    wait_until(second.has_the_address, world.logs)


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
    wait_until(lambda: knows_endpoints(world.store, {ACME: len(world.machines)}), world.logs)
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
