"""Policies as an organization wrote them, with their ends and ports resolved; what they demand is in `regions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from harness.proof.errors import Unmodelled
from harness.proof.fields import ICMP, TCP, UDP
from harness.proof.intervals import Interval

PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP}
ACTIONS = ("allow", "deny")
ENDS = ("any", "machine", "group")
_ALL_PORTS = (0, 0xFFFF)


@dataclass(frozen=True)
class Machine:
    """A machine as rules name it."""

    id: str
    address: IPv4Address
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PolicyRule:
    """A rule with its ends as sets of machines' numbers."""

    is_deny: bool
    sources: frozenset[int]
    destinations: frozenset[int]
    protocol: int | None
    ports: tuple[Interval, ...]


@dataclass(frozen=True)
class Policy:
    """A policy, and the organization that it is for.

    Attributes:
        network: the overlay network.
        default: ``allow`` or ``deny``.
        rules: as the API takes them (`harness.target.Rule`).

    Raises:
        Unmodelled: a rule has a part whose meaning is not known.
    """

    network: IPv4Network
    machines: tuple[Machine, ...]
    default: str
    rules: Sequence[Mapping[str, str]]

    def __post_init__(self) -> None:
        if self.default not in ACTIONS:
            raise Unmodelled(f"the default {self.default}", "policy")
        for rule in self.rules:
            for known, part in ((ACTIONS, rule["action"]), (("any", *PROTOCOLS), rule.get("protocol", "any"))):
                if part not in known:
                    raise Unmodelled(f"a rule's {part}", "policy")
            for end in (rule["source"], rule["destination"]):
                if end.partition(":")[0] not in ENDS:
                    raise Unmodelled(f"a rule's end {end}", "policy")

    @property
    def hub(self) -> IPv4Address:
        """The hub's own address, the first of the network."""
        return self.network[1]

    @cached_property
    def resolved(self) -> tuple[PolicyRule, ...]:
        """The rules with their ends and ports resolved."""
        return tuple(map(self._resolve, self.rules))

    def _resolve(self, rule: Mapping[str, str]) -> PolicyRule:
        protocol = rule.get("protocol", "any")
        return PolicyRule(
            rule["action"] == "deny",
            self._named(rule["source"]),
            self._named(rule["destination"]),
            None if protocol == "any" else PROTOCOLS[protocol],
            _ports(rule.get("ports") or "all"),
        )

    def _named(self, selector: str) -> frozenset[int]:
        kind, _, name = selector.partition(":")
        return frozenset(
            at
            for at, machine in enumerate(self.machines)
            if kind == "any" or (machine.id == name if kind == "machine" else name in machine.groups)
        )

    def cuts_of_addresses(self) -> Iterator[Interval]:
        """Ranges of addresses that the policy tells apart."""
        yield int(self.network.network_address), int(self.network.broadcast_address)
        for address in (self.hub, *(machine.address for machine in self.machines)):
            yield int(address), int(address)

    def cuts_of_ports(self) -> Iterator[Interval]:
        """Ranges of ports that the policy tells apart."""
        for rule in self.resolved:
            yield from rule.ports


def _ports(written: str) -> tuple[Interval, ...]:
    if written == "all":
        return (_ALL_PORTS,)
    ends = (part.partition("-") for part in written.split(","))
    return tuple((int(first), int(last or first)) for first, _, last in ends)
