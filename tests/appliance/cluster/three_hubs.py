"""A lab of three hubs for one shard, two organizations with the same addresses, and streams that tell what they do."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

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
from appliance.model.policy import Action, Policy, Rule
from appliance.service import Actor, Context, policy
from appliance.service.owners import OwningHubs
from appliance.store import Store, machines, organizations, policies, shards, times
from appliance.store.shards import Shard
from netlab import Lab, LabHost, Link, NamespaceHost, Process, Switch, UdpStream, wg_quick
from tests.appliance.cluster.authority import Authority
from tests.appliance.cluster.etcd_members import EtcdMembers, members
from tests.appliance.sealed import ACME, OLD, add_organization, opens, sealed
from tests.waiting import DEADLINE, wait_until

H = TypeVar("H", bound=OwningHubs)

SHARD = Shard("xyz", "192.0.2.100", 51820)
BETA = "betabeta22"
"""Id of the second organization, whose machines have the addresses of the first one's."""

CONFINED = Policy(
    Action.DENY, (Rule.parse(action="allow", source="machine:machine2xyz", destination="machine:machine3xyz"),)
)
"""Policy of the first organization while it is judged."""

_CLAIMED = {ACME: (2, 3, 4), BETA: (2, 3)}
_INTERVAL_S = 0.01
_PLENTY = 100

Break = Callable[[], None]
"""Known break of the product; called in a hub's process before it begins."""


def unbroken() -> None:
    """Leaves a hub's process as it is."""


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
        return f"{SHARD.address}/32" in self.host.addresses()

    def has(self, organization: str) -> bool:
        """Tells whether an organization has a network namespace on this host."""
        return organization in self.host.run("ip", "netns").stdout

    def is_killed(self) -> None:
        """Ends the hub without a word; what it made in the kernel stays."""
        self.processes[-1].signal(signal.SIGKILL)
        self.processes[-1].wait(DEADLINE)

    def loses_power(self) -> None:
        """Ends the hub, with the links down."""
        self.public.down()
        self.inner.down()
        self.is_killed()


@dataclass(frozen=True)
class Streams:
    """Streams of packets that run during a test.

    Attributes:
        allowed: between two machines of the first organization, as its policy allows.
        denied: between two of its machines, as its policy denies.
        own: between two machines of the second organization.
        foreign: from a machine of the second organization to an address that the first one has, too, with a machine of
            the first one listening.
    """

    allowed: UdpStream
    denied: UdpStream
    own: UdpStream
    foreign: UdpStream

    def flow(self, *, own: bool = True) -> None:
        """Waits until packets arrive that are sent from now on."""
        now = self.allowed.mark()
        self.allowed.wait_delivery(now, DEADLINE)
        if own:
            self.own.wait_delivery(now, DEADLINE)

    def leaks(self) -> list[str]:
        """Lists what arrived and should not; both streams have sent plenty."""
        wait_until(lambda: min(self.denied.sent_count, self.foreign.sent_count) > _PLENTY)
        counts = {"denied": self.denied.received_count, "foreign": self.foreign.received_count}
        return [f"{count} {name} packets arrived" for name, count in counts.items() if count]

    def silence(self) -> float:
        """Returns the longest time between two arrivals of the allowed stream, in seconds."""
        got = [each.received_ns for each in self.allowed.received()]
        return max(later - earlier for earlier, later in pairwise(got)) / 1e9


@dataclass
class World:
    """Hub hosts, etcd, a web host, and machines by organization and last byte of their address."""

    store: Store
    url: str
    etcd: EtcdMembers
    hubs: list[HubHost]
    machines: dict[str, dict[int, LabHost]]
    folder: Path
    authority: Authority
    web: LabHost

    def begin(self, harm: Break = unbroken) -> HubHost:
        """Starts a hub on each host, with a known break in all but the owner, and returns that."""
        self.start(self.hubs[0])
        first = self.owner()
        for hub in self.hubs[1:]:
            self.start(hub, harm)
        return first

    def start(self, hub: HubHost, harm: Break = unbroken) -> None:
        """Starts a hub for the shard on a host."""
        name = hub.host.name

        def body() -> None:
            # Before any thread starts, as the command does it.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            harm()
            store = Store(self.url)
            host = shard_hub.Host(
                name=name,
                etcd=Etcd(self.etcd.endpoints, 0.4),
                guidance=Guidance(Etcd(self.etcd.endpoints, 0.4)),
                store=store,
                vault=opens(store, OLD),
                backend=choose("auto"),
                address=LanAddress(ip_address(SHARD.address), hub.public.interface),
                state_folder=self.folder / name / "rules",
                socket_path=self.folder / name / "hub.sock",
                allowed_uids={0},
                calls=Endpoint(hub.inner.addresses[0].partition("/")[0], 0),
                identity=self.authority.identity(name),
                pace=Pace(),
            )
            shard_hub.serve(SHARD, host)

        hub.processes.append(hub.host.fork(body, name, log="hub"))

    def owner(self, *, after: HubHost | None = None) -> HubHost:
        """Waits until a host has the address, other than one that had it."""
        others = [each for each in self.hubs if each is not after]
        wait_until(lambda: any(each.has_the_address() for each in others), self.logs)
        return next(each for each in others if each.has_the_address())

    def hubs_of_web(self, kind: type[H]) -> H:
        """Makes a client of all hubs, as a web process has it."""
        return kind(self.store, Etcd(self.etcd.endpoints, 0.4), self.authority.client("web"))

    def context(self, hubs: OwningHubs | None = None) -> Context:
        """Makes what the web host's use cases work with."""
        return Context(self.store, hubs or self.hubs_of_web(OwningHubs), "vpn.example.net", SHARD.port)

    def save(self, wanted: Policy, context: Context | None = None) -> None:
        """Saves the first organization's policy from the web host, once."""
        made = context or self.context()
        self.web.in_network(lambda: policy.save(made, Actor.operator(ACME), wanted))

    def until_answered(self, call: Callable[[], object]) -> list[NotEnforced | Unavailable]:
        """Makes a call from the web host until it succeeds; returns the refusals."""
        refusals: list[NotEnforced | Unavailable] = []

        def is_answered() -> bool:
            try:
                self.web.in_network(call)
            except (NotEnforced, Unavailable) as refusal:
                refusals.append(refusal)
                return False
            return True

        wait_until(is_answered, self.logs)
        return refusals

    def stored(self) -> Policy:
        """Reads the first organization's policy."""
        with self.store.read() as transaction:
            return policies.load(transaction, ACME).policy

    def knows_endpoints(self) -> bool:
        """Tells whether the store has an endpoint of each machine, to which another owner would turn."""
        with self.store.read() as transaction:
            return all(
                len(machines.endpoints(transaction, organization)) == len(hosts)
                for organization, hosts in self.machines.items()
            )

    @contextmanager
    def streams(self) -> Iterator[Streams]:
        """Sends all streams while the block runs, which begins when those flow that should."""
        acme, beta = self.machines[ACME], self.machines[BETA]
        for hosts in (acme, beta):
            for number, host in hosts.items():
                # Each machine makes itself known, so that a later owner turns to it.
                other = 3 if number == 2 else 2
                host.ping(f"10.100.0.{other}", timeout=0.2)
        wait_until(self.knows_endpoints, self.logs)
        with ExitStack() as stack:
            made = Streams(
                UdpStream(acme[2], acme[3], "10.100.0.3", 9000, _INTERVAL_S),
                UdpStream(acme[2], acme[4], "10.100.0.4", 9001, _INTERVAL_S),
                UdpStream(beta[2], beta[3], "10.100.0.3", 9000, _INTERVAL_S),
                UdpStream(beta[2], acme[3], "10.100.0.3", 9002, _INTERVAL_S),
            )
            for each in (made.allowed, made.own, made.denied, made.foreign):
                stack.enter_context(each)
            made.flow()
            yield made

    def logs(self) -> str:
        """Returns what the hubs have logged."""
        return "\n".join(each.log_text() for hub in self.hubs for each in hub.processes)


@contextmanager
def three_hubs(store: Store, url: str, folder: Path) -> Iterator[World]:
    """Makes the lab; no hub runs yet. The first organization's policy allows everything at first."""
    sealed(store)
    add_organization(store, BETA, opens(store, OLD).new_organization_keys(BETA))
    with store.write() as transaction:
        shards.create(transaction, SHARD)
        organizations.place_all(transaction, SHARD.id)
    with Lab() as lab, ExitStack() as stack:
        internet, inner = lab.switch("internet"), lab.switch("inner")
        etcd = stack.enter_context(members(lab, inner))
        authority = Authority(folder / "authority")
        made = World(store, url, etcd, [], {ACME: {}, BETA: {}}, folder, authority, lab.host("web"))
        lab.connect(made.web, inner, "198.51.100.50/24")
        for number in (1, 2, 3):
            host = lab.host(f"hub{number}")
            assert isinstance(host, NamespaceHost)
            public = lab.connect(host, internet, f"192.0.2.{number}/24")
            made.hubs.append(HubHost(host, public, lab.connect(host, inner, f"198.51.100.{number}/24")))
        for at, (organization, numbers) in enumerate(_CLAIMED.items(), 1):
            for number in numbers:
                made.machines[organization][number] = _machine(lab, internet, store, organization, number, at)
        yield made
        # A lab's end kills what would clear its host.
        for hub in made.hubs:
            for process in hub.processes[-1:]:
                process.signal(signal.SIGCONT)


def _machine(lab: Lab, internet: Switch, store: Store, organization: str, number: int, at: int) -> LabHost:
    """Adds a machine to the store and to the lab, where it has its tunnel."""
    pair, address = new_key_pair(), IPv4Address(f"10.100.0.{number}")
    with store.write() as transaction:
        name = f"machine{number}"
        identity = f"{name}{'xyz' if organization == ACME else 'uvw'}"
        machine = Machine(identity, name, name, address, pair.public, (), times.now())
        machines.create(transaction, organization, machine)
        found = organizations.find(transaction, organization)
    assert found is not None
    host = lab.host(f"{organization[:4]}{number}")
    lab.connect(host, internet, f"192.0.2.{10 * at + number}/24")
    text = Configuration(
        "m", organization, pair.private, address, DEFAULT_NETWORK, found.hub_public_key, SHARD.endpoint
    ).text()
    wg_quick(host, text)
    return host
