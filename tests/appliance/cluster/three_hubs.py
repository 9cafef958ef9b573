"""A lab of three hubs for one shard, two organizations with the same addresses, and streams that tell what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.model.errors import NotEnforced, Unavailable
from appliance.model.policy import Action, Policy, Rule
from appliance.service import Actor, Context, policy
from appliance.store import Store, organizations, policies, shards
from netlab import LabHost, UdpStream
from tests.appliance.cluster.hub_hosts import SHARD, Break, HubHost, HubHosts, hub_hosts, knows_endpoints, unbroken
from tests.appliance.cluster.silence import silence_s
from tests.appliance.sealed import ACME, OLD, add_organization, opens, sealed
from tests.waiting import DEADLINE, wait_until

BETA = "betabeta22"
"""Id of the second organization, whose machines have the addresses of the first one's."""

CONFINED = Policy(
    Action.DENY, (Rule.parse(action="allow", source="machine:machine2xyz", destination="machine:machine3xyz"),)
)
"""Policy of the first organization while it is judged."""

_CLAIMED = {ACME: (2, 3, 4), BETA: (2, 3)}
_INTERVAL_S = 0.01
_PLENTY = 100


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
        return silence_s(self.allowed)


@dataclass
class World(HubHosts):
    """Hub hosts with machines by organization and last byte of their address."""

    machines: dict[str, dict[int, LabHost]] = field(default_factory=dict)

    def begin(self, harm: Break = unbroken) -> HubHost:
        """Starts a hub on each host, with a known break in all but the owner, and returns that."""
        self.start(self.hubs[0])
        first = self.owner()
        for hub in self.hubs[1:]:
            self.start(hub, harm)
        return first

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

    @contextmanager
    def streams(self) -> Iterator[Streams]:
        """Sends all streams while the block runs, which begins when those flow that should."""
        acme, beta = self.machines[ACME], self.machines[BETA]
        for hosts in (acme, beta):
            for number, host in hosts.items():
                # Each machine makes itself known, so that a later owner turns to it.
                other = 3 if number == 2 else 2
                host.ping(f"10.100.0.{other}", timeout=0.2)
        counts = {organization: len(hosts) for organization, hosts in self.machines.items()}
        wait_until(lambda: knows_endpoints(self.store, counts), self.logs)
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


@contextmanager
def three_hubs(store: Store, url: str, folder: Path) -> Iterator[World]:
    """Makes the lab; no hub runs yet. The first organization's policy allows everything at first."""
    sealed(store)
    add_organization(store, BETA, opens(store, OLD).new_organization_keys(BETA))
    with store.write() as transaction:
        shards.create(transaction, SHARD)
        organizations.place_all(transaction, SHARD.id)
    with hub_hosts(World, store, url, folder, 3) as made:
        for at, (organization, numbers) in enumerate(_CLAIMED.items(), 1):
            made.machines[organization] = {
                number: made.connect_machine(organization, number, at)[0] for number in numbers
            }
        yield made
