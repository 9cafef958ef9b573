"""What the kernel should have for one organization: the store computes it, the data plane makes it so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from operator import attrgetter

from appliance.model.errors import Invalid
from appliance.model.policy import Kind, Policy, Selector

MOST_WAYS = 50_000


@dataclass(frozen=True)
class Peer:
    """A machine as the data plane sees it."""

    id: str
    public_key: str
    address: IPv4Address
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Desired:
    """An organization's part of the data plane.

    Attributes:
        port: UDP port of its WireGuard link in the hub's own network namespace, closed to the outside: machines know
            the front door's alone.
        sealed_private_key: the hub's private key for it, as the vault sealed it.
        sealed_data_key: the organization's data key, as the vault sealed it.
        peers: by address.
    """

    organization: str
    network: IPv4Network
    port: int
    hub_public_key: str
    sealed_data_key: bytes
    sealed_private_key: bytes
    peers: tuple[Peer, ...] = ()
    policy: Policy = Policy()

    def check_size(self) -> None:
        """Raises `Invalid` where the policy's groups overlap in more ways than the data plane looks up.

        Machines that the policy's groups can't tell apart are one class. A rule from one group to another is looked up
        by every class of the one toward every class of the other.
        """
        mentioned = {
            end.name for rule in self.policy.rules for end in (rule.source, rule.destination) if end.kind is Kind.GROUP
        }
        if not mentioned:
            return
        classes = Counter(group for groups in {peer.groups & mentioned for peer in self.peers} for group in groups)

        def count(end: Selector) -> int:
            return classes[end.name] if end.kind is Kind.GROUP else 1

        ways = sum(count(rule.source) * count(rule.destination) for rule in self.policy.rules)
        if ways > MOST_WAYS:
            raise Invalid(
                f"The groups that rules name overlap in too many ways: {ways} combinations of machines to look up, and "
                f"{MOST_WAYS} is the most. Rules for fewer groups, or groups that share fewer machines, make fewer.",
                field="rules",
            )

    def with_peer(self, peer: Peer) -> Desired:
        """The same with this machine, in the place of the one of its id if there is one."""
        others = [each for each in self.peers if each.id != peer.id]
        return replace(self, peers=tuple(sorted([*others, peer], key=attrgetter("address"))))

    def without_peer(self, machine: str) -> Desired:
        """The same without the machine of that id."""
        return replace(self, peers=tuple(each for each in self.peers if each.id != machine))


@dataclass(frozen=True)
class RuleCount:
    """What the kernel counted of a rule's packets: those that it decided about.

    Attributes:
        rule: its id; None for packets that no rule speaks of, about which the default decides.
        bytes: of IP packets.
    """

    rule: str | None
    packets: int
    bytes: int


@dataclass(frozen=True)
class PeerStatus:
    """What WireGuard knows of a peer.

    Attributes:
        last_handshake: seconds since the epoch, 0 if there was none.
        received_bytes, sent_bytes: as counted by the hub, since the link was made.
        endpoint: ``address:port`` that the peer was last heard from, or "".
    """

    public_key: str
    last_handshake: int
    received_bytes: int
    sent_bytes: int
    endpoint: str
