"""Policies: rules about connections between machines, and a default.

A rule is about the machine that opens a connection; replies belong to the connection.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from appliance.model.errors import Invalid
from appliance.model.ids import new_id
from appliance.model.names import check_group, check_name
from appliance.model.port_ranges import HIGHEST_PORT, PortRange, format_ports, merge_ports, parse_ports

LONGEST_DESCRIPTION = 500
# The data plane cuts overlapping ranges of several rules at each other's ends, into twice as many at most. Sets of
# ranges take the kernel longer than those of single ports.
_PORT_WEIGHT, _RANGE_WEIGHT = 2, 4
_MOST_RANGES_LISTED = 5
# Caches of a policy that `Policy.changed` fills: what it has of thousands of rules takes milliseconds to make anew.
_CACHES = ("weights", "by_id", "estimated_bytes", "_step")
# Measured with tracemalloc: what a rule takes for each of these, on a 64-bit system.
_BYTES_OF_RULE, _BYTES_OF_PORTS = 640, 170


class Action(str, Enum):
    ALLOW = "allow"
    DENY = "deny"

    @classmethod
    def parse(cls, text: str, *, field: str) -> Action:
        """Parse ``allow`` or ``deny``.

        Raises:
            Invalid: it is neither.
        """
        try:
            return cls(text)
        except ValueError:
            raise Invalid("The {field} is neither allow nor deny.", field=field) from None


class Protocol(str, Enum):
    """Protocol of a rule; ``ANY`` is every IP protocol."""

    ANY = "any"
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"

    @classmethod
    def parse(cls, text: str) -> Protocol:
        """Parse ``any``, ``tcp``, ``udp`` or ``icmp``.

        Raises:
            Invalid: it is none of them.
        """
        try:
            return cls(text)
        except ValueError:
            raise Invalid("The protocol is not any, tcp, udp or icmp.", field="protocol") from None

    @property
    def has_ports(self) -> bool:
        """True if a rule for this protocol may name ports."""
        return self in (Protocol.TCP, Protocol.UDP)

    def check_port(self, port: int | None) -> None:
        """Check the destination port of a connection of this protocol; None is every port.

        Raises:
            Invalid: the protocol has no ports, or this is none.
        """
        if port is None:
            return
        if not self.has_ports:
            raise Invalid("Only tcp and udp have ports; name the protocol too.", field="port")
        if not 1 <= port <= HIGHEST_PORT:
            raise Invalid("{port} is not a port from 1 to {highest}.", field="port", port=port, highest=HIGHEST_PORT)


class SelectorKind(str, Enum):
    """Kind of thing that a selector names."""

    ANY = "any"
    MACHINE = "machine"
    GROUP = "group"


@dataclass(frozen=True, order=True)
class Selector:
    """One end of a rule: any machine, one machine by id, or the machines of a group."""

    kind: SelectorKind
    name: str = ""

    @classmethod
    def parse(cls, text: str, *, field: str) -> Selector:
        """Parse ``any``, ``machine:<id>`` or ``group:<name>``.

        Raises:
            Invalid: it is none of the three.
        """
        if text == SelectorKind.ANY.value:
            return cls(SelectorKind.ANY)
        kind, colon, name = text.partition(":")
        if colon and name and kind == SelectorKind.MACHINE.value:
            return cls(SelectorKind.MACHINE, name)
        if colon and name and kind == SelectorKind.GROUP.value:
            return cls(SelectorKind.GROUP, check_group(name, field=field))
        raise Invalid("The {field} is neither any, machine:<id> nor group:<name>.", field=field)

    @property
    def group(self) -> str | None:
        """Name of the group, or None if this names no group."""
        return self.name if self.kind is SelectorKind.GROUP else None

    def covers(self, other: Selector) -> bool:
        """True if this names every machine that the other one names, whatever groups the machines are in."""
        return self.kind is SelectorKind.ANY or self == other

    def __str__(self) -> str:
        return self.kind.value if self.kind is SelectorKind.ANY else f"{self.kind.value}:{self.name}"


ANYONE = Selector(SelectorKind.ANY)


@dataclass(frozen=True)
class Rule:
    """An allow or deny rule; ``ports`` () means all of them."""

    id: str
    action: Action
    source: Selector
    destination: Selector
    protocol: Protocol = Protocol.ANY
    ports: tuple[PortRange, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if self.ports and not self.protocol.has_ports:
            raise Invalid(
                "Only tcp and udp have ports; this rule is for {protocol}.", field="ports", protocol=self.protocol
            )
        if self.description:
            check_name(self.description, field="description", longest=LONGEST_DESCRIPTION)

    @classmethod
    def parse(
        cls,
        *,
        action: str,
        source: str,
        destination: str,
        protocol: str = Protocol.ANY.value,
        ports: str = "",
        description: str = "",
    ) -> Rule:
        """Parse a rule from its parts, and give it a new id.

        Args:
            source, destination: ``any``, ``machine:ID`` or ``group:NAME``.
            ports: ``22,80,8000-8100``; empty or ``all`` for every port.

        Raises:
            Invalid: a part is not of its form; the error's field names the part.
        """
        return cls(
            new_id(),
            Action.parse(action, field="action"),
            Selector.parse(source, field="source"),
            Selector.parse(destination, field="destination"),
            Protocol.parse(protocol),
            parse_ports(ports),
            description,
        )

    @property
    def parts(self) -> dict[str, str]:
        """Texts of all parts but the id: the arguments with which `parse` makes this rule."""
        return {
            "action": self.action.value,
            "source": str(self.source),
            "destination": str(self.destination),
            "protocol": self.protocol.value,
            "ports": format_ports(self.ports),
            "description": self.description,
        }

    @property
    def weight(self) -> int:
        """Upper bound of the data plane's elements for one pair of its ends (`model.cost`)."""
        return sum(_PORT_WEIGHT if ports.first == ports.last else _RANGE_WEIGHT for ports in self.ports) or 1

    @property
    def estimated_bytes(self) -> int:
        """Memory that it takes, within a factor of two."""
        return _BYTES_OF_RULE + _BYTES_OF_PORTS * len(self.ports) + sys.getsizeof(self.description)

    @property
    def sentence(self) -> str:
        """Description of the rule, such as ``allow group:a to any, tcp 22``."""
        return self.described_with(str)

    def described_with(self, describe_end: Callable[[Selector], str]) -> str:
        """Description like `sentence`, with the caller's words for the two ends."""
        service = "" if self.protocol is Protocol.ANY else f", {self.protocol.value}"
        ports = f" {format_ports(self.ports)}" if self.ports else ""
        if len(self.ports) > _MOST_RANGES_LISTED:
            ports = f" with {len(self.ports)} ranges of ports"
        return f"{self.action.value} {describe_end(self.source)} to {describe_end(self.destination)}{service}{ports}"

    def covers(self, other: Rule) -> bool:
        """True if this matches every connection that the other one matches."""
        return (
            self.source.covers(other.source)
            and self.destination.covers(other.destination)
            and self.protocol in (Protocol.ANY, other.protocol)
            and (not self.ports or (bool(other.ports) and merge_ports((*self.ports, *other.ports)) == self.ports))
        )

    @property
    def groups(self) -> tuple[str | None, str | None]:
        """The groups that its ends name."""
        return self.source.group, self.destination.group


@dataclass(frozen=True)
class RuleStep:
    """Difference of a policy's rules from those that it was made from.

    Attributes:
        before: the rules that it was made from.
        gone: removed from them.
        new: added behind all others.
    """

    before: tuple[Rule, ...]
    gone: tuple[Rule, ...]
    new: tuple[Rule, ...]


@dataclass(frozen=True)
class Policy:
    """Default action and rules of an organization."""

    default: Action = Action.ALLOW
    rules: tuple[Rule, ...] = ()

    @cached_property
    def weights(self) -> Counter[tuple[str | None, str | None]]:
        """Sum of the rules' weights by the groups of their ends."""
        total: Counter[tuple[str | None, str | None]] = Counter()
        for rule in self.rules:
            total[rule.groups] += rule.weight
        return total

    @property
    def groups(self) -> frozenset[str]:
        """The groups that its rules name."""
        return frozenset(group for groups in self.weights for group in groups if group is not None)

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        """Rules by id, in their order; of several with one id, the last."""
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def estimated_bytes(self) -> int:
        """Memory that its rules take, within a factor of two."""
        return sum(rule.estimated_bytes for rule in self.rules)

    @property
    def step(self) -> RuleStep | None:
        """The difference with which `changed` made this policy; None if it was made in another way."""
        found: RuleStep | None = self.__dict__.get("_step")
        return found

    def with_rules(self, rules: Iterable[Rule]) -> Policy:
        """Copy of this policy with further rules at its end."""
        return self.changed((), rules)

    def rule_covering(self, rule: Rule) -> Rule | None:
        """A rule of this policy that makes a further rule redundant, or None.

        It covers the further rule, and has the same action or denies.
        """
        return next(
            (each for each in self.rules if each.action in (Action.DENY, rule.action) and each.covers(rule)), None
        )

    def with_default(self, default: Action) -> Policy:
        """Copy of this policy with another default."""
        after = Policy(default, self.rules)
        # The caches depend on the rules alone.
        after.__dict__.update({name: self.__dict__[name] for name in _CACHES if name in self.__dict__})
        return after

    def without_rules(self, ids: Collection[str]) -> Policy:
        """Copy of this policy without the rules of these ids; this object itself if it has none of them."""
        return self.changed(ids)

    def changed(self, gone: Collection[str], new: Iterable[Rule] = ()) -> Policy:
        """Copy of this policy without the rules of some ids, and with further rules at its end.

        It costs as much as the change, but for copies of whole lists and dictionaries, which are fast.

        Args:
            gone: ids; those that no rule has are ignored.

        Returns:
            The copy; this object itself if it has none of these rules and gets no further ones.
        """
        added, left = tuple(new), dict(self.by_id)
        removed = tuple(left.pop(each) for each in set(gone) if each in left)
        if not added and not removed:
            return self
        if len(removed) > 1:
            removed = tuple(rule for rule in self.rules if rule.id not in left)
        rest = len(left)
        left.update((rule.id, rule) for rule in added)
        if len(left) != rest + len(added) or len(self.by_id) != len(self.rules):
            # Several rules have one id, so that the dictionary does not have all of them.
            return Policy(self.default, (*(rule for rule in self.rules if rule.id not in gone), *added))
        after = Policy(self.default, tuple(left.values()))
        weights = Counter(self.weights)
        for rule in removed:
            weights[rule.groups] -= rule.weight
        for rule in added:
            weights[rule.groups] += rule.weight
        grown = sum(rule.estimated_bytes for rule in added) - sum(rule.estimated_bytes for rule in removed)
        after.__dict__.update(weights=+weights, by_id=left, estimated_bytes=self.estimated_bytes + grown)
        if not any(rule == self.by_id.get(rule.id) for rule in added):
            # A rule that only moves is neither gone nor new.
            after.__dict__["_step"] = RuleStep(self.rules, removed, added)
        return after
