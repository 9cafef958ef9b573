"""Desired state of one organization in the kernel: the store computes it, the data plane applies it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from operator import attrgetter

from appliance.model.cost import MOST_ELEMENTS, count_classes, count_elements, heaviest
from appliance.model.errors import Invalid
from appliance.model.policy import Policy

# Measured with tracemalloc: what a state takes for each of these, on a 64-bit system.
_BYTES_OF_PEER, _BYTES_OF_GROUP, _BYTES_OF_RULE, _BYTES_OF_PORTS = 640, 170, 700, 170


@dataclass(frozen=True)
class Peer:
    """A machine as the data plane sees it."""

    id: str
    public_key: str
    address: IPv4Address
    groups: frozenset[str] = frozenset()


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
        """Memory that it takes, by the number of its machines with their groups, and of its rules with their ports.

        It is exact enough to bound caches, within a factor of two, and takes milliseconds for the largest state.
        """
        rules = self.policy.rules
        return (
            _BYTES_OF_PEER * len(self.peers)
            + _BYTES_OF_GROUP * sum(len(peer.groups) for peer in self.peers)
            + _BYTES_OF_RULE * len(rules)
            + sum(_BYTES_OF_PORTS * len(rule.ports) + len(rule.description) for rule in rules)
        )

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
