"""Policies evaluated on sets of packets.

The definition is the product's published one: a deny rule that matches wins, then an allow rule that matches, then the
default; a rule speaks of who opens a connection. It shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from harness.proof.fields import ICMP, TCP, UDP
from harness.proof.intervals import Interval
from harness.proof.partition import partition
from harness.proof.universe import Universe

PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP}
_ALL_PORTS = (0, 0xFFFF)


class Expected(Enum):
    """Verdict that a policy demands; `EITHER` for packets that no machine can send or receive."""

    PASS = "pass"  # noqa: S105
    DROP = "drop"
    EITHER = "either"


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
    """

    network: IPv4Network
    machines: tuple[Machine, ...]
    default: str
    rules: Sequence[Mapping[str, str]]

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


@dataclass(frozen=True)
class Region:
    """Connections with one verdict, as atoms of opener, destination and port."""

    sources: int
    destinations: int
    ports: int
    expected: Expected


class Verdicts:
    """The verdicts on all connections of a network, as few regions for each kind of protocol.

    Machines that the same rules name as a source share their regions.

    Args:
        addresses, ports: cut at least where the policy cuts.
    """

    def __init__(self, policy: Policy, addresses: Universe, ports: Universe) -> None:
        self._policy = policy
        self._addresses = addresses
        self._all_ports = ports.everything
        self._machines = [addresses.atoms_in([(int(each.address),) * 2]) for each in policy.machines]
        self._ports = {rule.ports: ports.atoms_in(rule.ports) for rule in policy.resolved}
        self._rows = {
            (protocol, expected): _rows(region for region in self._of(protocol) if region.expected is expected)
            for protocol in (TCP, UDP, ICMP, None)
            for expected in Expected
        }

    def _of(self, protocol: int | None) -> Iterator[Region]:
        rules = [rule for rule in self._policy.resolved if rule.protocol in (None, protocol)]
        inside = self._addresses.atoms_in([next(self._policy.cuts_of_addresses())])
        hub = self._addresses.atoms_in([(int(self._policy.hub),) * 2])
        outside = self._addresses.everything & ~inside | hub
        known = self._union(range(len(self._machines)))
        nobody = inside & ~hub & ~known
        everywhere = self._addresses.everything
        yield Region(outside, everywhere, self._all_ports, Expected.DROP)
        yield Region(nobody, outside, self._all_ports, Expected.DROP)
        yield Region(nobody, nobody | known, self._all_ports, Expected.EITHER)
        alike: dict[tuple[int, ...], int] = {}
        for at, bits in enumerate(self._machines):
            met = tuple(number for number, rule in enumerate(rules) if at in rule.sources)
            alike[met] = alike.get(met, 0) | bits
        for met, sources in alike.items():
            yield Region(sources, outside, self._all_ports, Expected.DROP)
            yield Region(sources, nobody, self._all_ports, Expected.EITHER)
            yield from self._of_sources(sources, known, [rules[number] for number in met])

    def _of_sources(self, sources: int, known: int, rules: Iterable[PolicyRule]) -> Iterator[Region]:
        default = Expected.PASS if self._policy.default == "allow" else Expected.DROP
        # The first rule that matches decides, if denials stand first.
        ordered = sorted(rules, key=lambda rule: not rule.is_deny)
        elements = [((self._union(rule.destinations), self._ports[rule.ports]), rule.is_deny) for rule in ordered]
        for (destinations, ports), is_deny in partition((known, self._all_ports), elements):
            expected = default if is_deny is None else Expected.DROP if is_deny else Expected.PASS
            yield Region(sources, destinations, ports, expected)

    def _union(self, machines: Iterable[int]) -> int:
        bits = 0
        for at in machines:
            bits |= self._machines[at]
        return bits

    def meeting(
        self, expected: Expected, protocols: int, sources: int, destinations: int, ports: int
    ) -> Iterator[tuple[int, Region]]:
        """Regions of one verdict that meet a set of connections, each cut to it, with the atoms of its protocols."""
        for (protocol, of_rows), rows in self._rows.items():
            of_protocol = protocols & self._atom(protocol) if of_rows is expected else 0
            if not of_protocol:
                continue
            for own, regions in rows:
                if met := own & sources:
                    for region in regions:
                        if (there := region.destinations & destinations) and (these := region.ports & ports):
                            yield of_protocol, Region(met, there, these, expected)

    @staticmethod
    def _atom(protocol: int | None) -> int:
        # Each byte is an atom of its own.
        if protocol is not None:
            return 1 << protocol
        return ((1 << 256) - 1) & ~(1 << TCP | 1 << UDP | 1 << ICMP)


def _rows(regions: Iterable[Region]) -> list[tuple[int, list[Region]]]:
    """Regions by their sources."""
    rows: dict[int, list[Region]] = {}
    for region in regions:
        rows.setdefault(region.sources, []).append(region)
    return list(rows.items())
