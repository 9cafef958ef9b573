"""Desired state of one organization in the kernel: the store computes it, the data plane applies it."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from operator import attrgetter

from appliance.model.cost import MOST_ELEMENTS, count_classes, count_elements, heaviest
from appliance.model.errors import Invalid
from appliance.model.policy import Policy

# Measured with tracemalloc: what a machine takes for each of these, on a 64-bit system.
_BYTES_OF_PEER, _BYTES_OF_GROUP = 700, 70


@dataclass(frozen=True)
class Peer:
    """A machine as the data plane sees it."""

    id: str
    public_key: str
    address: IPv4Address
    groups: frozenset[str] = frozenset()

    @cached_property
    def estimated_bytes(self) -> int:
        """Memory that it takes, within a factor of two."""
        return _BYTES_OF_PEER + sum(_BYTES_OF_GROUP + sys.getsizeof(group) for group in self.groups)


@dataclass(frozen=True)
class Desired:
    """Desired state of one organization.

    Attributes:
        port: UDP port of its WireGuard link in the hub's own network namespace, closed to the outside: machines send to
            the front door's port.
        sealed_data_key: the organization's data key, sealed by the vault.
        sealed_private_key: the hub's private key for this organization, sealed by the vault.
        peers: sorted by address.
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
        """Upper bound of the elements that its policy needs (`model.cost`)."""
        return count_elements(self.policy, *self._classes())

    @property
    def estimated_bytes(self) -> int:
        """Memory that it takes, by its machines with their groups, and its rules.

        It is exact enough to bound what is kept, within a factor of two. A further state costs a look at the machines
        and at the rules that changed: a millisecond for the largest.
        """
        return sum(peer.estimated_bytes for peer in self.peers) + self.policy.estimated_bytes

    def check_size(self, before: Desired | None = None, *, most: int = MOST_ELEMENTS) -> None:
        """Refuse a policy that costs the data plane too much.

        Args:
            before: the present state; one that exceeds `most` already may stay or shrink.
            most: limit of the organization's plan, at most `MOST_ELEMENTS`.

        Raises:
            Invalid: it needs too many elements; the text says how many, and the limit.
        """
        classes, classified = self._classes()
        elements = count_elements(self.policy, classes, classified)
        if elements <= most:
            return
        if elements <= MOST_ELEMENTS and before is not None and elements <= before.elements:
            return
        costliest = heaviest(self.policy, classes)
        if costliest is None:
            raise Invalid(
                "The policy needs {elements} look-ups of ends and ports; the limit is {most}. Use fewer ports, rules "
                "for fewer groups, or groups that share fewer machines.",
                field="rules",
                elements=elements,
                most=most,
            )
        rule, needed = costliest
        raise Invalid(
            "The policy needs {elements} look-ups of ends and ports; the limit is {most}. The rule to {rule} needs the "
            "most of them, {needed}. Use fewer ports, rules for fewer groups, or groups that share fewer machines.",
            field="rules",
            elements=elements,
            most=most,
            rule=rule.sentence,
            needed=needed,
        )

    def _classes(self) -> tuple[Counter[str], int]:
        return count_classes((peer.groups for peer in self.peers), self.policy.groups)

    def with_peer(self, peer: Peer) -> Desired:
        """Copy of this state with a machine added, or replaced if its id is known."""
        others = [each for each in self.peers if each.id != peer.id]
        return replace(self, peers=tuple(sorted([*others, peer], key=attrgetter("address"))))

    def without_peer(self, machine: str) -> Desired:
        """Copy of this state without the machine of this id."""
        return replace(self, peers=tuple(each for each in self.peers if each.id != machine))


@dataclass(frozen=True)
class RuleCount:
    """Counter of the packets that a rule decided about.

    Attributes:
        rule: the rule's id; None counts packets that no rule matches, for which the default decides.
        bytes: size of the IP packets.
    """

    rule: str | None
    packets: int
    bytes: int


@dataclass(frozen=True)
class PeerStatus:
    """WireGuard's status of a peer.

    Attributes:
        last_handshake: seconds since the epoch; 0 if there was none.
        received_bytes, sent_bytes: counted by the hub since the link was created.
        endpoint: ``address:port`` of the last packet from the peer, or "".
    """

    public_key: str
    last_handshake: int
    received_bytes: int
    sent_bytes: int
    endpoint: str
