"""Routes, routing rules and settings as ip(8) and sysctl print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from harness.proof import Unmodelled
from harness.proof.routing import Routing, Way, parse

LINKS = {"lo": 1, "wg": 2}
RULES: list[dict[str, Any]] = [
    {"priority": 32766, "src": "all", "table": "main"},
    {"priority": 100, "src": "all", "fwmark": "0x1", "table": "100"},
    {"priority": 0, "src": "all", "table": "local"},
]
ROUTES: list[dict[str, Any]] = [
    {"dst": "10.100.0.0/16", "dev": "wg", "table": "100", "protocol": "static", "flags": []},
    {"dst": "10.100.7.0/24", "type": "blackhole", "table": "100", "flags": []},
    {"dst": "default", "type": "unreachable", "metric": 9, "flags": []},
    {"dst": "10.100.0.1", "dev": "wg", "type": "local", "table": "local", "flags": []},
]
FORWARDS = {"net.ipv4.ip_forward": "1"}


def routing(
    rules: list[dict[str, Any]] = RULES,
    routes: list[dict[str, Any]] = ROUTES,
    settings: Mapping[str, str] = FORWARDS,
) -> Routing:
    """The routing of a namespace."""
    return parse(rules, routes, LINKS, settings)


def test_rules_and_routes_are_in_order() -> None:
    found = routing()
    assert [rule.priority for rule in found.rules] == [0, 100, 32766]
    assert [(rule.mark, rule.mask) for rule in found.rules] == [(0, 0), (1, 0xFFFFFFFF), (0, 0)]
    assert [(route.length, route.way, route.link) for route in found.routes["100"]] == [
        (24, Way.NOWHERE, 0),
        (16, Way.FORWARD, 2),
    ]
    assert found.routes["main"][0].destination == (0, 2**32 - 1)
    assert found.own() == (found.routes["local"][0].destination,)
    assert found.forwards


def test_a_route_over_a_dead_link_is_none() -> None:
    dead = {**ROUTES[0], "flags": ["linkdown", "dead"]}
    assert "100" not in routing(routes=[dead]).routes


def test_a_route_over_a_link_without_a_carrier_is_refused() -> None:
    with pytest.raises(Unmodelled, match="carrier"):
        routing(routes=[{**ROUTES[0], "flags": ["linkdown"]}])


def test_marks_are_compared_in_the_bits_of_the_mask_alone() -> None:
    rule = {"priority": 5, "src": "all", "fwmark": "0x3", "fwmask": "0x1", "table": "100"}
    (found,) = (each for each in routing(rules=[*RULES, rule]).rules if each.priority == 5)
    assert (found.mark, found.mask) == (1, 1)


def test_forwarding_that_is_off() -> None:
    assert not routing(settings={"net.ipv4.ip_forward": "0"}).forwards


@pytest.mark.parametrize(
    "rule",
    [
        {"priority": 5, "src": "10.0.0.0", "srclen": 8, "table": "100"},
        {"priority": 5, "src": "all", "iif": "wg", "table": "100"},
        {"priority": 5, "not": None, "src": "all", "fwmark": "0x1", "table": "100"},
        {"priority": 5, "src": "all", "action": "unreachable"},
    ],
)
def test_other_rules_are_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(Unmodelled):
        routing(rules=[*RULES, rule])


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "10.0.0.0/8", "type": "nat", "flags": []},
        {"dst": "10.0.0.0/8", "nexthops": [{"dev": "wg"}, {"dev": "lo"}], "flags": []},
        {"dst": "10.0.0.0/8", "dev": "wg", "encap": "mpls", "flags": []},
    ],
)
def test_other_routes_are_refused(route: dict[str, Any]) -> None:
    with pytest.raises(Unmodelled):
        routing(routes=[*ROUTES, route])


@pytest.mark.parametrize("name", ["rp_filter", "accept_local", "src_valid_mark", "route_localnet", "bc_forwarding"])
@pytest.mark.parametrize("scope", ["all", "wg"])
def test_settings_that_judge_packets_are_refused(scope: str, name: str) -> None:
    with pytest.raises(Unmodelled, match=name):
        routing(settings={**FORWARDS, f"net.ipv4.conf.{scope}.{name}": "1"})
    routing(settings={**FORWARDS, f"net.ipv4.conf.lo.{name}": "1"})


@pytest.mark.parametrize("of_all", ["0", "1"])
def test_links_that_forward_otherwise_than_all_are_refused(of_all: str) -> None:
    settings = {"net.ipv4.ip_forward": of_all, "net.ipv4.conf.all.forwarding": of_all}
    routing(settings={**settings, "net.ipv4.conf.wg.forwarding": of_all, "net.ipv4.conf.lo.forwarding": "0"})
    other = {"0": "1", "1": "0"}[of_all]
    with pytest.raises(Unmodelled, match=r"conf\.wg\.forwarding"):
        routing(settings={**settings, "net.ipv4.conf.wg.forwarding": other})


@pytest.mark.parametrize("name", ["net.ipv4.conf.all.accept_source_route", "net.netfilter.nf_conntrack_helper"])
def test_what_leads_packets_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Unmodelled, match=name):
        routing(settings={**FORWARDS, name: "1"})
    routing(settings={**FORWARDS, name: "0"})


def test_forwarding_of_ipv6_is_refused() -> None:
    on = {"net.ipv6.conf.all.disable_ipv6": "0", "net.ipv6.conf.all.forwarding": "1"}
    with pytest.raises(Unmodelled, match="IPv6"):
        routing(settings=on)
    routing(settings={**on, "net.ipv6.conf.all.disable_ipv6": "1"})
