"""Policies evaluated on sets of packets: regions of connections with one verdict, in atoms.

The definition is the product's published one: a deny rule that matches wins, then an allow rule that matches, then the
default; a rule speaks of who opens a connection. It shares no code with the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from harness.proof.fields import ICMP, TCP, UDP
from harness.proof.policy import Policy, PolicyRule
from harness.proof.universe import Universe


class Expected(Enum):
    """Verdict that a policy demands; `EITHER` for packets that no machine can send or receive."""

    PASS = "pass"  # noqa: S105
    DROP = "drop"
    EITHER = "either"


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
        self._destinations = {each: self._union(each) for each in {rule.destinations for rule in policy.resolved}}
        of_rules = {rule.ports: ports.atoms_in(rule.ports) for rule in policy.resolved}
        self._ports = _told_apart(ports.everything, of_rules.values())
        # Positions in that list.
        self._ports_of = {
            written: [at for at, alike in enumerate(self._ports) if alike & atoms]
            for written, atoms in of_rules.items()
        }
        self._rows: dict[tuple[int | None, Expected], list[tuple[int, list[Region]]]] = {}
        for protocol in (TCP, UDP, ICMP, None):
            regions = list(self._of(protocol))
            for expected in Expected:
                self._rows[protocol, expected] = _rows(each for each in regions if each.expected is expected)

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
        # Destinations by action, for ports that no rule tells apart.
        named = {is_deny: [0] * len(self._ports) for is_deny in (True, False)}
        for rule in rules:
            of_action, destinations = named[rule.is_deny], self._destinations[rule.destinations]
            for at in self._ports_of[rule.ports]:
                of_action[at] |= destinations
        default = known if self._policy.default == "allow" else 0
        together: dict[int, int] = {}
        for alike, denied, allowed in zip(self._ports, named[True], named[False], strict=True):
            passing = (allowed | default) & ~denied
            together[passing] = together.get(passing, 0) | alike
        for passing, ports in together.items():
            yield Region(sources, passing, ports, Expected.PASS)
            yield Region(sources, known & ~passing, ports, Expected.DROP)

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


def _told_apart(everything: int, sets: Iterable[int]) -> list[int]:
    """The coarsest parts of a set that none of these sets cuts."""
    parts = [everything]
    for each in set(sets):
        parts = [part for one in parts for part in (one & each, one & ~each) if part]
    return parts


def _rows(regions: Iterable[Region]) -> list[tuple[int, list[Region]]]:
    """Regions by their sources."""
    rows: dict[int, list[Region]] = {}
    for region in regions:
        rows.setdefault(region.sources, []).append(region)
    return list(rows.items())
