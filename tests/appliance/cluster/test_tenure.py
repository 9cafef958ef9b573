"""At most one hub at a time lets packets through for a shard, whatever happens to its owner."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest

from appliance.cluster.errors import EtcdUnreachable, Lost
from appliance.cluster.etcd import Etcd, SocketAddress
from appliance.cluster.owner import Owner
from appliance.cluster.tenure import Gate, LeaseTiming, Tenure
from appliance.hub.front_door.lease_gate import LeaseGate
from appliance.hub.names import Names
from netlab import Lab, Link, NamespaceHost, Process, UdpStream
from tests.appliance.cluster.etcd_members import EtcdMembers, members
from tests.appliance.cluster.traces import OWNS, Trace, TracedGate, violations
from tests.waiting import DEADLINE, wait_until

pytestmark = pytest.mark.full

_PORT = 51820
_KEY = "meshwg/shards/1/owner"
_TIMEOUT_S = 0.4
_TIMING = LeaseTiming()


@dataclass
class Hub:
    """A hub that competes for the shard.

    Attributes:
        public: its link to the internet.
        inner: its link to etcd.
        stream: packets of a machine to its front door.
    """

    host: NamespaceHost
    public: Link
    inner: Link
    stream: UdpStream
    process: Process | None = None

    @property
    def address(self) -> str:
        return self.public.addresses[0].partition("/")[0]

    def has_a_gate(self, names: Names) -> bool:
        """Tells whether its gate is up, open or shut."""
        return names.gate in self.host.run("nft", "list", "tables").stdout

    def has_the_shard(self) -> bool:
        """Tells whether packets pass its front door now."""
        return bool(self.stream.received_since(time.monotonic_ns() - 50_000_000))


@dataclass
class World:
    """Hubs with etcd behind them and a machine before them."""

    etcd: EtcdMembers
    hubs: list[Hub]
    trace: Trace

    def tokens(self) -> list[float]:
        """Returns the tokens of the times of ownership so far."""
        return [step.value for step in self.trace.steps() if step.what == OWNS]

    def owner(self) -> Hub:
        """Waits until a hub has the shard."""
        wait_until(lambda: any(each.has_the_shard() for each in self.hubs), self.etcd.log)
        return next(each for each in self.hubs if each.has_the_shard())

    def next_owner(self, before: Hub) -> Hub:
        """Waits until another hub has the shard, and checks that the two never had it together."""
        others = [each for each in self.hubs if each is not before]
        wait_until(lambda: any(each.stream.received_count for each in others), self.etcd.log)
        after = next(each for each in others if each.stream.received_count)
        began = after.stream.received()[0].received_ns
        assert all(each.received_ns < began for each in before.stream.received())
        return after


def compete(names: Names, endpoints: Sequence[SocketAddress], member: str, address: str, trace: Trace) -> None:
    """Owns the shard whenever it can, for as long as it can; the body of a hub's process."""
    kernel = LeaseGate(names.gate, ip_address(address), _PORT)
    kernel.put_up()
    gate = TracedGate(kernel, trace, member)
    while True:
        tenure = Tenure(Etcd(endpoints, _TIMEOUT_S), _KEY, Owner(member, SocketAddress("192.0.2.1", 1)), gate, _TIMING)
        lost = threading.Event()
        try:
            if not tenure.acquire():
                time.sleep(0.05)
                continue
            trace.note(member, OWNS, lambda: None, tenure.token)
            tenure.open()
        except (EtcdUnreachable, Lost):
            time.sleep(0.05)
            continue
        tenure.keep(lost.set)
        lost.wait()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty lab."""
    with Lab() as made:
        yield made


@pytest.fixture
def world(lab: Lab, names: Names, tmp_path: Path) -> Iterator[World]:
    """Two hubs that compete, and three members of etcd; what the hubs did keeps the model's properties."""
    trace = Trace(tmp_path / "trace")
    internet, inner = lab.switch("internet"), lab.switch("inner")
    machine = lab.host("machine")
    lab.connect(machine, internet, "192.0.2.11/24")
    with ExitStack() as stack:
        etcd = stack.enter_context(members(lab, inner))
        hubs = []
        for number in (1, 2):
            host = lab.host(f"hub{number}")
            assert isinstance(host, NamespaceHost)
            public = lab.connect(host, internet, f"192.0.2.{number}/24")
            behind = lab.connect(host, inner, f"198.51.100.{number}/24")
            stream = UdpStream(machine, host, f"192.0.2.{number}", _PORT, interval_s=0.005)
            hubs.append(Hub(host, public, behind, stream))
        for each in hubs:
            name = each.host.name

            def body(name: str = name, address: str = each.address) -> None:
                compete(names, etcd.endpoints, name, address, trace)

            each.process = each.host.fork(body, name, log="hub")
        # Before its gate is up, a hub's front door is open here.
        for each in hubs:
            wait_until(partial(each.has_a_gate, names))
            stack.enter_context(each.stream)
        yield World(etcd, hubs, trace)
    assert violations(trace.steps()) == []


def stopped(hub: Hub) -> None:
    assert hub.process is not None
    hub.process.signal(signal.SIGSTOP)


def killed(hub: Hub) -> None:
    assert hub.process is not None
    hub.process.signal(signal.SIGKILL)


def cut_off_from_etcd(hub: Hub) -> None:
    hub.inner.down()


@pytest.mark.parametrize("harm", [stopped, killed, cut_off_from_etcd])
def test_another_hub_follows_and_never_both(world: World, harm: Callable[[Hub], None]) -> None:
    before = world.owner()
    harm(before)
    after = world.next_owner(before)
    assert after is not before
    if harm is stopped:
        # It wakes up with a renewal in its hands, perhaps.
        assert before.process is not None
        count = before.stream.received_count
        before.process.signal(signal.SIGCONT)
        moment = time.monotonic_ns()
        after.stream.wait_delivery(moment + 1_000_000_000, DEADLINE)
        assert before.stream.received_count == count


def test_a_clone_of_the_owner_goes_on_with_no_lease(lab: Lab) -> None:
    """Has a host with the owner's name and another boot begin beside it; a later process of the owner goes on."""
    with members(lab, lab.switch("inner")) as etcd:
        host, gate = lab.hosts["asking"], cast("Gate", None)

        def hub(boot: str) -> Tenure:
            owner = Owner("hub1", SocketAddress("192.0.2.1", 1), boot)
            return Tenure(Etcd(etcd.endpoints, DEADLINE), _KEY, owner, gate, replace(_TIMING, ttl_s=int(DEADLINE)))

        first, clone, later = hub("one"), hub("another"), hub("one")
        assert host.in_network(first.acquire)
        assert not host.in_network(clone.resume)
        assert not host.in_network(clone.acquire)
        assert host.in_network(later.resume)
        assert later.token == first.token


@pytest.mark.parametrize("cut", ["members", "hubs"])
def test_without_a_majority_nobody_has_the_shard(world: World, cut: str) -> None:
    """Has the same hub go on, by the same token, when most of etcd's members are back, or reached again."""
    before = world.owner()
    other = next(each for each in world.hubs if each is not before)
    if cut == "members":
        for number in (0, 1):
            world.etcd.kill(number)
    else:
        for each in world.hubs:
            each.inner.down()
    wait_until(lambda: not before.has_the_shard())
    shut = time.monotonic_ns()
    wait_until(lambda: other.stream.sent_in(shut, time.monotonic_ns())[300:] != [])
    assert other.stream.received_count == 0
    if cut == "members":
        for number in (0, 1):
            world.etcd.start(number)
        assert world.owner() is before
        assert len(world.tokens()) == 1
    else:
        # Its lease may have ended meanwhile.
        for each in world.hubs:
            each.inner.up()
        world.owner()
