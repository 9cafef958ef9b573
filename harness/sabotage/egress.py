"""Sabotages of a mesh's isolation: ways out of its namespace, and into it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from ipaddress import IPv4Network

from pyroute2 import IPRoute

from appliance.hub.findings import Damage
from appliance.hub.kernel import namespace, routing
from appliance.hub.names import KernelNames
from appliance.hub.ruleset import ALLOWED_MARK, Ruleset
from appliance.model.addresses import hub_address
from appliance.model.desired import Desired
from harness.sabotage.rules import change_rulesets

_mend = routing.mend
OVERLAY_TABLE = 100
_RARE_PORT = 53413
_NAMES_PORT = 53
_ACCEPT = f"meta mark set {ALLOWED_MARK:#x} accept"


def masquerade_through_an_uplink() -> None:
    """Adds a pair of links out of each namespace, and NAT, as a hub that is an internet gateway has."""

    def changed(good: Ruleset, desired: Desired, link: str) -> Ruleset:
        inner = inner_link(link)
        back = f'iifname "{inner}" ct state established {_ACCEPT}'
        out = f"ip saddr {desired.network} ip daddr != {desired.network} {_ACCEPT}"
        through = tuple(f'{way} "{inner}" meta mark {ALLOWED_MARK:#x} accept' for way in ("iifname", "oifname"))
        *first, last = good.chains["gate"]
        chains = {
            **good.chains,
            "gate": (back, *first, out, last),
            "transit": (*through, *good.chains["transit"]),
            "nat": (f'oifname "{inner}" masquerade',),
        }
        return replace(good, hooks={**good.hooks, "nat": "type nat hook postrouting priority srcnat;"}, chains=chains)

    change_rulesets(changed)
    keep_uplinks(leads_in=False)


def route_the_overlay_from_the_host() -> None:
    """Connects the hub's host to each mesh, and makes it forward to the mesh like to a subnet of its own."""

    def changed(good: Ruleset, desired: Desired, link: str) -> Ruleset:
        into = f'iifname "{inner_link(link)}" ip daddr {desired.network} {_ACCEPT}'
        through = f'iifname "{inner_link(link)}" oifname "{link}" accept'
        chains = {"gate": (into, *good.chains["gate"]), "transit": (through, *good.chains["transit"])}
        return replace(good, chains={**good.chains, **chains})

    change_rulesets(changed)
    keep_uplinks(leads_in=True)


def leave_a_port_open() -> None:
    """Adds a pair of links out of each namespace, and lets packets to one port of addresses elsewhere pass."""

    def changed(good: Ruleset, desired: Desired, link: str) -> Ruleset:
        inner = inner_link(link)
        *first, last = good.chains["gate"]
        out = f"udp dport {_RARE_PORT} ip saddr {desired.network} ip daddr != {desired.network} {_ACCEPT}"
        through = f'iifname "{link}" oifname "{inner}" accept'
        chains = {"gate": (*first, out, last), "transit": (through, *good.chains["transit"])}
        return replace(good, chains={**good.chains, **chains})

    change_rulesets(changed)
    keep_uplinks(leads_in=False)


def let_names_be_asked_for() -> None:
    """Adds a pair of links out of each namespace, and lets questions to name servers elsewhere and their answers pass.

    Machines that send everything to the hub would otherwise find no names.
    """

    def changed(good: Ruleset, desired: Desired, link: str) -> Ruleset:
        inner = inner_link(link)
        elsewhere = f"udp dport {_NAMES_PORT} ip saddr {desired.network} ip daddr != {desired.network}"
        *first, last = good.chains["gate"]
        chains = {
            **good.chains,
            "gate": (f'iifname "{inner}" ct state established {_ACCEPT}', *first, f"{elsewhere} {_ACCEPT}", last),
            "transit": (
                f'iifname "{link}" oifname "{inner}" udp dport {_NAMES_PORT} accept',
                f'iifname "{inner}" udp sport {_NAMES_PORT} accept',
                *good.chains["transit"],
            ),
            "nat": (f'oifname "{inner}" masquerade',),
        }
        return replace(good, hooks={**good.hooks, "nat": "type nat hook postrouting priority srcnat;"}, chains=chains)

    change_rulesets(changed)
    keep_uplinks(leads_in=False)


def connect_the_organizations() -> None:
    """Connects each namespace to that of the organization before by a pair of links, which all rules ignore."""
    before: list[str] = []
    made: set[str] = set()

    def mend(names: KernelNames, network: IPv4Network) -> tuple[Damage, ...]:
        found = _mend(names, network)
        if names.namespace not in made:
            made.add(names.namespace)
            for other in before[-1:]:
                connect(names, other)
            before.append(names.namespace)
        return found

    routing.mend = mend
    routing.remove_strangers = _remove_no_strangers


def connect(names: KernelNames, other: str) -> None:
    """Makes a pair of links, up, between an organization's namespace and another."""
    here, there = inner_link(names.link), "o" + names.link[1:]
    with IPRoute() as host:
        host.link("add", ifname=there, kind="veth", peer={"ifname": here})
        for link, namespace_of in ((here, names.namespace), (there, other)):
            host.link("set", index=index_of(host, link), net_ns_fd=namespace_of)
            with namespace.entered(namespace_of), IPRoute() as inside:
                inside.link("set", index=index_of(inside, link), state="up")


def let_the_hub_answer() -> None:
    """Stops filtering the hub's address in the mesh, so that the host answers, at least with a refusal."""

    def changed(good: Ruleset, desired: Desired, _link: str) -> Ruleset:
        to_hub = f"ip daddr {hub_address(desired.network)}"
        gate = tuple(f"{to_hub} {_ACCEPT}" if text == f"{to_hub} drop" else text for text in good.chains["gate"])
        if gate == good.chains["gate"]:
            raise AssertionError("the rules drop nothing for the hub any more")
        hooks = {**good.hooks, "hub": good.hooks["hub"].replace("policy drop", "policy accept")}
        return replace(good, hooks=hooks, chains={**good.chains, "gate": gate})

    change_rulesets(changed)


def keep_uplinks(*, leads_in: bool) -> None:
    """Gives each new namespace an uplink, and switches the removal of foreign links off."""
    numbers = itertools.count(1)
    made: set[str] = set()

    def mend(names: KernelNames, network: IPv4Network) -> tuple[Damage, ...]:
        if names.link in made:
            return ()
        made.add(names.link)
        found = _mend(names, network)
        _make_uplink(names, network, next(numbers), leads_in=leads_in)
        return found

    routing.mend = mend
    routing.remove_strangers = _remove_no_strangers


def _remove_no_strangers(names: KernelNames) -> tuple[Damage, ...]:
    """Lets links that the hub did not make stay."""
    del names
    return ()


def _make_uplink(names: KernelNames, network: IPv4Network, number: int, *, leads_in: bool) -> None:
    inner, outer = inner_link(names.link), "o" + names.link[1:]
    here, there = f"10.200.{number}.1", f"10.200.{number}.2"
    with IPRoute() as host:
        host.link("add", ifname=outer, kind="veth", peer={"ifname": inner})
        host.link("set", index=index_of(host, inner), net_ns_fd=names.namespace)
        host.addr("add", index=index_of(host, outer), address=here, prefixlen=30)
        host.link("set", index=index_of(host, outer), state="up")
        with namespace.entered(names.namespace), IPRoute() as inside:
            inside.addr("add", index=index_of(inside, inner), address=there, prefixlen=30)
            inside.link("set", index=index_of(inside, inner), state="up")
            inside.route("add", dst="0.0.0.0/0", gateway=here, table=OVERLAY_TABLE)
        if leads_in:
            host.route("replace", dst=str(network), gateway=there)


def inner_link(link: str) -> str:
    """Name of a second link of an organization, by that of its own."""
    return "i" + link[1:]


def index_of(netlink: IPRoute, link: str) -> int:
    """Number of a link."""
    return int(netlink.link_lookup(ifname=link)[0])
