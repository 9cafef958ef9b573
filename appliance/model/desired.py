"""What the kernel should have for one organization: the store computes it, the data plane makes it so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from operator import attrgetter

from appliance.model.cost import MOST_ELEMENTS, count_classes, count_elements, heaviest
from appliance.model.errors import Invalid
from appliance.model.policy import Policy


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

    @property
    def elements(self) -> int:
        """The most elements that its policy comes to (`model.cost`)."""
        return count_elements(self.policy, *self._classes())

    def check_size(self, before: Desired | None = None, *, most: int = MOST_ELEMENTS) -> None:
        """Refuses a policy that costs the data plane too much.

        Args:
            before: the state that stands; what is above `most` already may stay as it is, or become less.
            most: elements that the organization may have, of those that the data plane takes at all.

        Raises:
            Invalid: says how many elements it comes to, and how many there may be.
        """
        classes, classified = self._classes()
        elements = count_elements(self.policy, classes, classified)
        if elements <= most:
            return
        if elements <= MOST_ELEMENTS and before is not None and elements <= before.elements:
            return
        found = heaviest(self.policy, classes)
        rule = ""
        if found is not None:
            rule = f" Most of them, {found[1]}, are for the rule to {found[0].sentence}."
        raise Invalid(
            f"The policy comes to {elements} pairs of ends and ports to look up, and {most} is the most.{rule} Fewer "
            "ports, rules for fewer groups, or groups that share fewer machines, make fewer.",
            field="rules",
        )

    def _classes(self) -> tuple[Counter[str], int]:
        return count_classes((peer.groups for peer in self.peers), self.policy.groups)

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
