"""Everything in a namespace that can be deleted, flushed or emptied, and what is left then.

What the kernel refuses is no damage (net/netfilter/nf_tables_api.c): a chain that a rule leads to can only be flushed
(`nf_tables_delchain`), a set or an object that a rule uses can't be deleted (`nf_tables_delset`, `nf_tables_delobj`),
and the elements of an anonymous set are constant (`NFT_SET_ANONYMOUS`, `NFT_SET_CONSTANT`). Deleting a table takes all
in it. Elements of meters are rates, and counters are numbers: without them packets fare as before or as within a rate.

Tracked connections need no deletion: a proof is about all states that tracking can be in, with or without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from harness.proof.errors import Unmodelled
from harness.proof.routing import Route, Routing
from harness.proof.ruleset import Chain, Rule, Ruleset, Table

Part = tuple[str, ...]
"""Smallest thing that can be gone: its kind, and where it is."""

_OBJECTS = ("counter", "quota", "limit")
_FORWARDING = "net.ipv4.ip_forward"


@dataclass(frozen=True)
class Deletion:
    """One command that deletes, flushes or empties something.

    Attributes:
        kind: of what it acts on, such as ``rule``.
        command: as somebody would type it.
        parts: parts of the ruleset and the routing that are gone then.
    """

    kind: str
    command: str
    parts: frozenset[Part]


@dataclass(frozen=True)
class Damages:
    """All deletions in one namespace.

    Attributes:
        refused: number of deletions that the kernel refuses, by kind of object.
    """

    deletions: tuple[Deletion, ...]
    refused: Mapping[str, int]


def damages(ruleset: Ruleset, routing: Routing, listing: Mapping[str, Any], link_indexes: Mapping[str, int]) -> Damages:
    """Finds all deletions.

    Args:
        listing: from which the ruleset was parsed; it has the objects that decide nothing about a packet.
        link_indexes: index of each link by its name.

    Raises:
        Unmodelled: it has a named set with elements, which this module can't delete one by one.
    """
    refused = {"chain": 0, "set": 0, "object": 0}
    for entry in listing["nftables"]:
        ((kind, each),) = entry.items()
        if kind in ("set", "map"):
            if "dynamic" not in each.get("flags", ()):
                raise Unmodelled(f"elements of the set {each['name']} that can be deleted", f"table {each['table']}")
            refused["set"] += 1
        refused["object"] += kind in _OBJECTS
    found: list[Deletion] = []
    for table in ruleset.tables:
        led_to = {name for chain in table.chains.values() for name in chain.led_to}
        found += _of_table(table, led_to)
        refused["chain"] += len(led_to)
    return Damages((*found, *_of_routing(routing, link_indexes)), refused)


def _of_table(table: Table, led_to: set[str]) -> Iterator[Deletion]:
    everything: set[Part] = {("table", str(table))}
    for chain in table.chains.values():
        where = f"{table} {chain.name}"
        rules = [("rule", str(table), chain.name, str(rule.handle)) for rule in chain.rules]
        for rule in rules:
            yield Deletion("rule", f"nft delete rule {where} handle {rule[-1]}", frozenset([rule]))
        yield Deletion("chain", f"nft flush chain {where}", frozenset(rules))
        gone: frozenset[Part] = frozenset([*rules, ("chain", str(table), chain.name)])
        if chain.name not in led_to:
            yield Deletion("chain", f"nft delete chain {where}", gone)
        everything |= gone
    rules_of_all = frozenset(part for part in everything if part[0] == "rule")
    yield Deletion("table", f"nft flush table {table}", rules_of_all)
    yield Deletion("table", f"nft delete table {table}", frozenset(everything))


def _of_routing(routing: Routing, link_indexes: Mapping[str, int]) -> Iterator[Deletion]:
    for name, routes in routing.routes.items():
        parts: list[Part] = [("route", name, str(at)) for at in range(len(routes))]
        for part, route in zip(parts, routes, strict=True):
            yield Deletion("route", f"ip route delete {_text(route)} table {name}", frozenset([part]))
        yield Deletion("route", f"ip route flush table {name}", frozenset(parts))
    of_rules: list[Part] = [("routing rule", str(at)) for at in range(len(routing.rules))]
    for part, rule in zip(of_rules, routing.rules, strict=True):
        yield Deletion("routing rule", f"ip rule delete priority {rule.priority}", frozenset([part]))
    # It leaves those of priority 0 (iproute2, `flush_rule`).
    flushed = (part for part, rule in zip(of_rules, routing.rules, strict=True) if rule.priority)
    yield Deletion("routing rule", "ip rule flush", frozenset(flushed))
    # Of the settings that are read, others are off already, or were refused.
    yield Deletion("setting", f"sysctl {_FORWARDING}=0", frozenset([("setting", _FORWARDING)]))
    leading = {route.link for routes in routing.routes.values() for route in routes}
    for name, link in link_indexes.items():
        if link not in leading:
            continue
        over: frozenset[Part] = frozenset(
            ("route", table, str(at))
            for table, routes in routing.routes.items()
            for at, route in enumerate(routes)
            if route.link == link
        )
        yield Deletion("link", f"ip link delete {name}", over)


def _text(route: Route) -> str:
    return f"{IPv4Address(route.destination[0])}/{route.length} metric {route.metric}"


def left_of(ruleset: Ruleset, routing: Routing, gone: frozenset[Part]) -> tuple[Ruleset, Routing]:
    """Removes these parts; chains that lose nothing stay the same objects."""
    tables = (_table_without(table, gone) for table in ruleset.tables if ("table", str(table)) not in gone)
    routes = {
        name: tuple(route for at, route in enumerate(of_table) if ("route", name, str(at)) not in gone)
        for name, of_table in routing.routes.items()
    }
    rules = tuple(rule for at, rule in enumerate(routing.rules) if ("routing rule", str(at)) not in gone)
    forwards = routing.forwards and ("setting", _FORWARDING) not in gone
    return Ruleset(tuple(tables)), Routing(rules, routes, forwards)


def _table_without(table: Table, gone: frozenset[Part]) -> Table:
    touched = {part[2] for part in gone if part[0] in ("rule", "chain") and part[1] == str(table)}
    chains = {
        name: _chain_without(table, chain, gone) if name in touched else chain
        for name, chain in table.chains.items()
        if ("chain", str(table), name) not in gone
    }
    return replace(table, chains=chains)


def _chain_without(table: Table, chain: Chain, gone: frozenset[Part]) -> Chain:
    def stays(rule: Rule) -> bool:
        return ("rule", str(table), chain.name, str(rule.handle)) not in gone

    return replace(chain, rules=tuple(filter(stays, chain.rules)))
