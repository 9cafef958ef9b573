"""A policy as nftables text: pure, and shaped so that whatever is damaged denies.

Three properties carry the weight:

* Only an ``accept`` that also sets the mark lets a packet reach a route, and the path to it is a conjunction: one
  statement holds every deny condition of its kind of traffic. Deleting a rule, a chain or the table can only deny more.
* Sets are anonymous, hence constant: the kernel lets nobody flush them or take elements out.
* The judgement is by the connection's original direction (``ct original``), so a new policy acts on running flows with
  the next packet, and replies of allowed connections pass without a rule of their own.

A rule's end is an address (``machine:``), a class of machines (``group:``) or anyone, which gives nine shapes of keys;
each shape is one set lookup, so the cost of a packet depends on the shapes in use, never on the number of rules. A
class is a set of machines that the policy's groups can't tell apart. The source's class travels in the packet's
priority and the destination's in its mark, both of which belong to this packet alone.

Source: nft(8), section "CONNTRACK EXPRESSIONS"; ports are compared in the transport header, whose side depends on the
packet's direction, because nft 1.0 can't put ``ct original proto-dst`` into a concatenation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address

from appliance.model.addresses import hub_address
from appliance.model.desired import Desired
from appliance.model.policy import Action, Kind, PortRange, Protocol, Rule, Selector, merge_ports

TABLE = "mesh"
ALLOWED_MARK = 0x1
"""What an allowed packet carries; only this mark has a route."""

_FIRST_CLASS = 0x100
"""Classes travel in the mark too, and none of them may look like the allowed one."""


class Traffic(Enum):
    """Kinds of traffic that rules can tell apart; each has a statement of its own."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    OTHER = "other"
    ERROR = "error"
    """ICMP errors about a connection: they follow the connection's ends, whatever its ports."""

    def is_met_by(self, rule: Rule) -> bool:
        """Whether the rule speaks of all traffic of this kind between its ends (but for the rule's ports)."""
        if self is Traffic.ERROR and rule.action is Action.ALLOW:
            return True
        return rule.protocol is Protocol.ANY or rule.protocol.value == self.value


_MATCH = {
    Traffic.TCP: "ct state != related meta l4proto tcp",
    Traffic.UDP: "ct state != related meta l4proto udp",
    Traffic.ICMP: "ct state != related meta l4proto icmp",
    Traffic.OTHER: "ct state != related meta l4proto != { tcp, udp, icmp }",
    Traffic.ERROR: "ct state related",
}
_PORT_SIDES = (("original", "dport"), ("reply", "sport"))

_SOURCE = {Kind.MACHINE: "ct original ip saddr", Kind.GROUP: "meta priority", Kind.ANY: None}
_DESTINATION = {Kind.MACHINE: "ct original ip daddr", Kind.GROUP: "meta mark", Kind.ANY: None}

Shape = tuple[Kind, Kind]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Compiled:
    """Rules of one action and one kind of traffic, as lookups.

    Attributes:
        whole: for each shape the keys to which every port belongs.
        ported: for each shape the keys with the ports that belong to them; disjoint from ``whole``.
    """

    whole: Mapping[Shape, frozenset[Key]]
    ported: Mapping[Shape, Mapping[Key, tuple[PortRange, ...]]]

    @property
    def matches_everything(self) -> bool:
        """Whether some rule is about any machine toward any machine with every port."""
        return (Kind.ANY, Kind.ANY) in self.whole


@dataclass(frozen=True)
class Classes:
    """Machines that the policy's groups can't tell apart share a class; a machine in no such group has none."""

    of_address: Mapping[IPv4Address, int]
    of_group: Mapping[str, tuple[int, ...]]


def classify(desired: Desired) -> Classes:
    """Sorts the machines into the classes that the policy's groups make."""
    mentioned = {
        selector.name
        for rule in desired.policy.rules
        for selector in (rule.source, rule.destination)
        if selector.kind is Kind.GROUP
    }
    numbers: dict[frozenset[str], int] = {}
    of_address: dict[IPv4Address, int] = {}
    of_group: defaultdict[str, set[int]] = defaultdict(set)
    for peer in desired.peers:
        groups = peer.groups & mentioned
        if not groups:
            continue
        number = numbers.setdefault(groups, len(numbers) + _FIRST_CLASS)
        of_address[peer.address] = number
        for group in groups:
            of_group[group].add(number)
    return Classes(of_address, {group: tuple(sorted(members)) for group, members in of_group.items()})


def compile_rules(desired: Desired, classes: Classes, action: Action, traffic: Traffic) -> Compiled:
    """The lookups that say whether some rule of this action speaks of a packet of this kind."""
    addresses = {peer.id: peer.address for peer in desired.peers}

    def ends(selector: Selector, class_text: str) -> list[str | None]:
        if selector.kind is Kind.ANY:
            return [None]
        if selector.kind is Kind.MACHINE:
            address = addresses.get(selector.name)
            return [] if address is None else [str(address)]
        return [class_text.format(number) for number in classes.of_group.get(selector.name, ())]

    whole: defaultdict[Shape, set[Key]] = defaultdict(set)
    ported: defaultdict[Shape, defaultdict[Key, list[PortRange]]] = defaultdict(lambda: defaultdict(list))
    for rule in desired.policy.rules:
        if rule.action is not action or not traffic.is_met_by(rule):
            continue
        shape = (rule.source.kind, rule.destination.kind)
        for source in ends(rule.source, "0:{:x}"):
            for destination in ends(rule.destination, "{:#x}"):
                key = tuple(part for part in (source, destination) if part is not None)
                if rule.ports and traffic is not Traffic.ERROR:
                    ported[shape][key] += rule.ports
                else:
                    whole[shape].add(key)
    return Compiled(
        whole={shape: frozenset(keys) for shape, keys in whole.items()},
        ported={
            shape: narrowed
            for shape, by_key in ported.items()
            if (narrowed := {k: merge_ports(p) for k, p in by_key.items() if k not in whole[shape]})
        },
    )


def foundation(desired: Desired, link: str) -> str:
    """The table and its base chains: everything but the policy. Loading it again leaves one copy, and denies."""
    hub = hub_address(desired.network)
    table = f"inet {TABLE}"
    return f"""
table {table}
delete table {table}
table {table} {{
    chain judge {{
    }}
    chain clear {{
    }}
    chain gate {{
        type filter hook prerouting priority mangle; policy drop;
        iifname != "{link}" drop
        ip daddr {hub} icmp type echo-request meta mark set {ALLOWED_MARK:#x} accept
        ip daddr {hub} drop
        ip saddr {desired.network} ip daddr {desired.network} jump judge
    }}
    chain transit {{
        type filter hook forward priority filter; policy drop;
        iifname "{link}" oifname "{link}" meta mark {ALLOWED_MARK:#x} accept
    }}
    chain hub {{
        type filter hook input priority filter; policy drop;
        iifname "{link}" ip daddr {hub} icmp type echo-request accept
    }}
}}
"""


def verdicts(desired: Desired) -> str:
    """One transaction that puts this policy in the place of the one before.

    ``judge`` lets through what an allow rule (or the default) speaks of; ``clear`` marks it unless a deny rule does.
    """
    classes = classify(desired)
    lines = [f"flush chain inet {TABLE} judge", f"flush chain inet {TABLE} clear"]

    def add(chain: str, statement: str) -> None:
        lines.append(f"add rule inet {TABLE} {chain} {statement}")

    if classes.of_address:
        sources = ", ".join(f"{address} : 0:{number:x}" for address, number in classes.of_address.items())
        destinations = ", ".join(f"{address} : {number:#x}" for address, number in classes.of_address.items())
        add("judge", "meta priority set 0:0")
        add("judge", "meta mark set 0x0")
        add("judge", f"meta priority set ct original ip saddr map {{ {sources} }}")
        add("judge", f"meta mark set ct original ip daddr map {{ {destinations} }}")
    if desired.policy.default is Action.ALLOW:
        add("judge", "goto clear")
    else:
        for traffic in Traffic:
            for condition in _any_of(compile_rules(desired, classes, Action.ALLOW, traffic), traffic):
                add("judge", f"{_MATCH[traffic]} {condition} goto clear")
    for traffic in Traffic:
        denied = compile_rules(desired, classes, Action.DENY, traffic)
        if denied.matches_everything:
            continue
        for condition in _none_of(denied, traffic):
            add("clear", f"{_MATCH[traffic]} {condition} meta mark set {ALLOWED_MARK:#x} accept")
    return "\n".join(lines) + "\n"


def _any_of(allowed: Compiled, traffic: Traffic) -> Iterable[str]:
    """Conditions, one of which holds exactly when an allow rule speaks of the packet."""
    for shape, keys in allowed.whole.items():
        yield _lookup(_fields(shape), "", map(_join, keys))
    for shape, by_key in allowed.ported.items():
        for direction, side in _PORT_SIDES:
            fields = (*_fields(shape), f"{traffic.value} {side}")
            yield f"ct direction {direction} {_lookup(fields, '', _with_ports(by_key))}"


def _none_of(denied: Compiled, traffic: Traffic) -> Iterable[str]:
    """Conditions, one of which holds exactly when no deny rule speaks of the packet."""
    whole = [_lookup(_fields(shape), "!= ", map(_join, keys)) for shape, keys in denied.whole.items()]
    if not denied.ported:
        yield " ".join(whole)
        return
    for direction, side in _PORT_SIDES:
        ported = [
            _lookup((*_fields(shape), f"{traffic.value} {side}"), "!= ", _with_ports(by_key))
            for shape, by_key in denied.ported.items()
        ]
        yield " ".join([f"ct direction {direction}", *whole, *ported])


def _fields(shape: Shape) -> tuple[str, ...]:
    return tuple(part for part in (_SOURCE[shape[0]], _DESTINATION[shape[1]]) if part is not None)


def _join(key: Key) -> str:
    return " . ".join(key)


def _with_ports(by_key: Mapping[Key, tuple[PortRange, ...]]) -> Iterable[str]:
    for key, ports in by_key.items():
        for part in ports:
            yield _join((*key, str(part)))


def _lookup(fields: Iterable[str], negation: str, elements: Iterable[str]) -> str:
    """A set lookup; no field at all means that the condition holds for everything."""
    key = " . ".join(fields)
    return f"{key} {negation}{{ {', '.join(sorted(elements))} }}" if key else ""
