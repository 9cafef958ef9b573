"""Hosts that compete for one shard, in a lab with etcd and a web host."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import TypeVar

from appliance.cli import shard as shard_hub
from appliance.cluster.addresses import LanAddress, PublicAddress
from appliance.cluster.etcd import Etcd, SocketAddress
from appliance.cluster.guidance import Guidance
from appliance.cluster.tenure import LeaseTiming
from appliance.hub.wireguard import choose
from appliance.model.addresses import DEFAULT_NETWORK
from appliance.model.configuration import Configuration
from appliance.model.keys import new_key_pair
from appliance.model.organization import Machine
from appliance.service import Context
from appliance.service.owners import OwningHubs
from appliance.store import Store, machines, organizations, shards, times
from appliance.store.shards import Shard
from netlab import Lab, LabHost, Link, NamespaceHost, Process, Switch, Tunnel, wg_quick
from tests.appliance.cluster.authority import Authority
from tests.appliance.cluster.etcd_members import EtcdMembers, members
from tests.appliance.sealed import ACME, OLD, opens, sealed
from tests.waiting import DEADLINE, wait_until

W = TypeVar("W", bound="HubHosts")
H = TypeVar("H", bound=OwningHubs)

SHARD = Shard("xyz", "192.0.2.100", 51820)

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


def knows_endpoints(store: Store, counts: Mapping[str, int]) -> bool:
    """Tells whether a store has an endpoint of each machine, to which another owner would turn.

    Args:
        counts: number of machines by organization.
    """
    with store.read() as transaction:
        return all(len(machines.endpoints(transaction, each)) == count for each, count in counts.items())


@dataclass
class HubHosts:
    """Hub hosts, etcd and a web host, on a network of their own and on the switch ``internet``."""

    store: Store
    url: str
    folder: Path
    etcd: EtcdMembers
    hubs: list[HubHost]
    authority: Authority
    web: LabHost
    lab: Lab
    internet: Switch

    def start(self, hub: HubHost, harm: Break = unbroken, *, stands_by: bool = False) -> None:
        """Starts a hub for the shard on a host, which is told to prepare for it, or not to."""
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
                address=self.public_address(hub),
                state_folder=self.folder / name / "rules",
                socket_path=self.folder / name / "hub.sock",
                calls=SocketAddress(hub.inner.addresses[0].partition("/")[0], 0),
                identity=self.authority.identity(name),
                timing=LeaseTiming(),
                stands_by=stands_by,
            )
            shard_hub.serve(SHARD, host)

        hub.processes.append(hub.host.fork(body, name, log="hub"))

    def public_address(self, hub: HubHost) -> PublicAddress:
        """Makes what leads the shard's address to a host; called there."""
        return LanAddress(ip_address(SHARD.address), hub.public.interface)

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
        return Context(self.store, hubs or self.hubs_of_web(OwningHubs), f"vpn.example.net:{SHARD.port}")

    def connect_machine(self, organization: str, number: int, at: int = 1) -> tuple[LabHost, Tunnel]:
        """Adds a machine to the store and to the lab, with its tunnel.

        Args:
            number: last byte of its address in the tunnel.
            at: tens of the last byte of its address outside.
        """
        pair, address = new_key_pair(), IPv4Address(f"10.100.0.{number}")
        with self.store.write() as transaction:
            name = f"machine{number}"
            identity = f"{name}{'xyz' if organization == ACME else organization[:4]}"
            machine = Machine(identity, name, name, address, pair.public, (), times.now())
            machines.create(transaction, organization, machine)
            found = organizations.find(transaction, organization)
        assert found is not None
        host = self.lab.host(f"{organization[:4]}{number}")
        self.attach(host, 10 * at + number)
        text = Configuration(
            "m", organization, pair.private, address, DEFAULT_NETWORK, found.hub_public_key, SHARD.endpoint
        ).text()
        return host, wg_quick(host, text)

    def attach(self, host: LabHost, number: int) -> None:
        """Connects a machine outside; the number is the last byte of its address."""
        self.lab.connect(host, self.internet, f"192.0.2.{number}/24")

    def logs(self) -> str:
        """Returns what the hubs have logged."""
        return "\n".join(each.log_text() for hub in self.hubs for each in hub.processes)


def place_acme(store: Store) -> None:
    """Stores the shard, with one organization."""
    sealed(store)
    with store.write() as transaction:
        shards.create(transaction, SHARD)
        organizations.place_all(transaction, SHARD.id)


@contextmanager
def hub_hosts(kind: type[W], store: Store, url: str, folder: Path, count: int) -> Iterator[W]:
    """Makes the lab; no hub runs yet.

    Args:
        kind: class of what is yielded, whose further fields have defaults.
        count: number of hub hosts.
    """
    with Lab() as lab:
        internet, inner = lab.switch("internet"), lab.switch("inner")
        with members(lab, inner) as etcd:
            web, authority = lab.host("web"), Authority(folder / "authority")
            made = kind(store, url, folder, etcd, [], authority, web, lab, internet)
            lab.connect(web, inner, "198.51.100.50/24")
            for number in range(1, count + 1):
                host = lab.host(f"hub{number}")
                assert isinstance(host, NamespaceHost)
                public = lab.connect(host, internet, f"192.0.2.{number}/24")
                made.hubs.append(HubHost(host, public, lab.connect(host, inner, f"198.51.100.{number}/24")))
            yield made
            # A lab's end kills what would clear its host.
            for hub in made.hubs:
                for process in hub.processes[-1:]:
                    process.signal(signal.SIGCONT)
