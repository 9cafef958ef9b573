"""Routing decisions of the kernel: rules, tables and settings as values.

Sources: ip-rule(8), ip-route(8); the kernel's Documentation/networking/ip-sysctl.rst. The addresses that no route is
looked up for are those of net/ipv4/route.c, `ip_route_input_rcu` and `ip_route_input_slow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network
from typing import Any

from harness.proof.errors import Unmodelled
from harness.proof.intervals import Interval


class Way(Enum):
    """Effect of a route on a packet."""

    FORWARD = "forward"
    LOCAL = "local"
    NOWHERE = "nowhere"


EVERYWHERE = (0, 0xFFFF_FFFF)
"""All addresses."""

# Since Linux 5.3, other addresses of 0.0.0.0/8 are like any.
_NOBODY, _LOOPBACK = (0, 0), (0x7F00_0000, 0x7FFF_FFFF)
_MULTICAST, _BROADCAST = (0xE000_0000, 0xEFFF_FFFF), (0xFFFF_FFFF, 0xFFFF_FFFF)
ALL_HOSTS = 0xE000_0001
"""The group that each host is in, by each link that knows groups (RFC 1112)."""


@dataclass(frozen=True)
class Reserved:
    """Packets that the kernel decides about without looking a route up.

    Attributes:
        ways: what may become of them; several where it depends on what is not read back.
    """

    source: Interval
    destination: Interval
    ways: tuple[Way, ...]


RESERVED = (
    Reserved(_MULTICAST, EVERYWHERE, (Way.NOWHERE,)),
    Reserved(_BROADCAST, EVERYWHERE, (Way.NOWHERE,)),
    Reserved(_LOOPBACK, _MULTICAST, (Way.NOWHERE,)),
    # The host may be in the group, and is in some of them by itself.
    Reserved(EVERYWHERE, _MULTICAST, (Way.LOCAL, Way.NOWHERE)),
    Reserved(EVERYWHERE, _BROADCAST, (Way.LOCAL,)),
    Reserved(_NOBODY, _NOBODY, (Way.LOCAL,)),
    Reserved(_NOBODY, EVERYWHERE, (Way.NOWHERE,)),
    Reserved(EVERYWHERE, _NOBODY, (Way.NOWHERE,)),
    Reserved(_LOOPBACK, EVERYWHERE, (Way.NOWHERE,)),
    Reserved(EVERYWHERE, _LOOPBACK, (Way.NOWHERE,)),
)
"""Fates of reserved addresses, once packets with the host's own source are discarded; the first that fits counts."""


def is_left_open(destination: int) -> bool:
    """True if it is not read back what becomes of packets to an address: those to a group that the host may be in."""
    open_ones = (each.destination for each in RESERVED if len(each.ways) > 1)
    return any(first <= destination <= last for first, last in open_ones)


@dataclass(frozen=True)
class Route:
    """A route of one table.

    Attributes:
        destination: addresses that it is for.
        link: index of the link that a forwarded packet leaves by; 0 for other ways.
    """

    table: str
    destination: Interval
    length: int
    metric: int
    way: Way
    link: int = 0


@dataclass(frozen=True)
class RoutingRule:
    """Leads packets whose mark equals `mark` in the bits of `mask` to a table."""

    priority: int
    table: str
    mark: int
    mask: int


@dataclass(frozen=True)
class Routing:
    """Rules in order, and the routes of each table, the most specific first.

    Attributes:
        forwards: False if the kernel forwards nothing (``ip_forward``).
    """

    rules: tuple[RoutingRule, ...]
    routes: Mapping[str, tuple[Route, ...]]
    forwards: bool

    def boundaries(self) -> Iterable[Interval]:
        """Ranges of addresses that routes, or the kernel by itself, tell apart."""
        of_routes = (route.destination for routes in self.routes.values() for route in routes)
        return (*of_routes, *(end for each in RESERVED for end in (each.source, each.destination)))

    def own(self) -> tuple[Interval, ...]:
        """The host's own addresses: a packet from outside that claims to come from one is discarded.

        Source: net/ipv4/fib_frontend.c, `fib_validate_source`.
        """
        routes = self.routes.get("local", ())
        return tuple(route.destination for route in routes if route.way is Way.LOCAL)


_WAYS = {
    "unicast": Way.FORWARD,
    "local": Way.LOCAL,
    "broadcast": Way.LOCAL,
    "unreachable": Way.NOWHERE,
    "blackhole": Way.NOWHERE,
    "prohibit": Way.NOWHERE,
}
_KNOWN_OF_ROUTE = {
    "type", "dst", "dev", "table", "protocol", "scope", "metric", "flags", "prefsrc", "gateway", "pref",
}  # fmt: skip
_KNOWN_OF_RULE = {"priority", "src", "table", "fwmark", "fwmask", "protocol"}
_OTHERWISE_OFF = ("rp_filter", "accept_local", "src_valid_mark", "route_localnet", "bc_forwarding", "mc_forwarding")
_FORWARDING = "net.ipv4.ip_forward"
_OFF_ALTOGETHER = ("net.ipv4.conf.all.accept_source_route", "net.netfilter.nf_conntrack_helper")
_ALL_BITS = 0xFFFF_FFFF


def parse(
    rules: Iterable[Mapping[str, Any]],
    routes: Iterable[Mapping[str, Any]],
    links: Mapping[str, int],
    settings: Mapping[str, str],
) -> Routing:
    """Parses what ``ip -j rule`` and ``ip -j route show table all`` print, and the settings that matter.

    Args:
        links: index by name.
        settings: values by sysctl's name.

    Raises:
        Unmodelled: a part of it has no meaning here.
    """
    _check(settings, links)
    found: dict[str, list[Route]] = {}
    for each in routes:
        route = _route(each, links)
        flags = set(each.get("flags", ()))
        if "dead" in flags:
            continue
        if "linkdown" in flags:
            # Whether the kernel uses it depends on a setting, and its link may be up again at once.
            raise Unmodelled("a link without a carrier", f"route {each['dst']}")
        found.setdefault(route.table, []).append(route)
    for of_table in found.values():
        of_table.sort(key=lambda route: (-route.length, route.metric))
    ordered = sorted(map(_rule, rules), key=lambda rule: rule.priority)
    forwards = settings.get(_FORWARDING) == "1"
    return Routing(tuple(ordered), {name: tuple(each) for name, each in found.items()}, forwards)


def _check(settings: Mapping[str, str], links: Mapping[str, int]) -> None:
    """Refuses settings under which the kernel judges by more than rules and routes, or forwards to many."""
    for scope in ("all", *links):
        for name in (f"net.ipv4.conf.{scope}.{each}" for each in _OTHERWISE_OFF):
            if scope != "lo" and settings.get(name, "0") != "0":
                raise Unmodelled(f"{name}={settings[name]}", "settings")
        forwarding, of_all = f"net.ipv4.conf.{scope}.forwarding", settings.get(_FORWARDING, "0")
        if scope != "lo" and settings.get(forwarding, of_all) != of_all:
            raise Unmodelled(f"{forwarding}={settings[forwarding]} beside {_FORWARDING}={of_all}", "settings")
    for name in _OFF_ALTOGETHER:
        if settings.get(name, "0") != "0":
            raise Unmodelled(f"{name}={settings[name]}", "settings")
    if settings.get("net.ipv6.conf.all.disable_ipv6", "1") != "1" and settings.get(
        "net.ipv6.conf.all.forwarding", "0"
    ) not in ("0", ""):
        raise Unmodelled("forwarding of IPv6", "settings")


def _route(each: Mapping[str, Any], links: Mapping[str, int]) -> Route:
    kind, text = each.get("type", "unicast"), str(each["dst"])
    if kind not in _WAYS or not set(each) <= _KNOWN_OF_ROUTE:
        raise Unmodelled(f"the route {dict(each)}", "routes")
    network = IPv4Network("0.0.0.0/0" if text == "default" else text)
    way = _WAYS[kind]
    link = links[each["dev"]] if way is Way.FORWARD else 0
    return Route(
        str(each.get("table", "main")),
        (int(network.network_address), int(network.broadcast_address)),
        network.prefixlen,
        each.get("metric", 0),
        way,
        link,
    )


def _rule(each: Mapping[str, Any]) -> RoutingRule:
    if not set(each) <= _KNOWN_OF_RULE or each.get("src", "all") != "all" or "table" not in each:
        raise Unmodelled(f"the routing rule {dict(each)}", "rules")
    mark = int(str(each.get("fwmark", "0")), 0)
    mask = int(str(each.get("fwmask", hex(_ALL_BITS if "fwmark" in each else 0))), 0)
    # The kernel compares the bits of the mask alone (`fib_rule_match`).
    return RoutingRule(each["priority"], str(each["table"]), mark & mask, mask)
