"""Breaks of what keeps a mesh to itself: ways out of its namespace, and into it."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Network

from pyroute2 import IPRoute

from appliance.hub import namespace, routing, ruleset
from appliance.hub.findings import Finding
from appliance.hub.names import Places
from appliance.hub.ruleset import ALLOWED_MARK
from appliance.model.addresses import hub_address
from appliance.model.desired import Desired

_foundation = ruleset.foundation
_mend = routing.mend
_OVERLAY_TABLE = 100


def masquerade_through_an_uplink() -> None:
    """What a hub has that is a way to the internet, too: a pair of links out of the namespace, and NAT on it."""

    def foundation(desired: Desired, link: str) -> str:
        text, inner = _foundation(desired, link), _inner(link)
        out = f"ip saddr {desired.network} ip daddr != {desired.network} meta mark set {ALLOWED_MARK:#x} accept"
        back = f'iifname "{inner}" ct state established meta mark set {ALLOWED_MARK:#x} accept'
        text = _before(text, f'iifname != "{link}" drop', back)
        text = _before(text, f"ip saddr {desired.network} ip daddr {desired.network} jump judge", out)
        transit = f'iifname "{link}" oifname "{link}"'
        text = _before(text, transit, f'oifname "{inner}" meta mark {ALLOWED_MARK:#x} accept')
        text = _before(text, transit, f'iifname "{inner}" meta mark {ALLOWED_MARK:#x} accept')
        nat = f'chain nat {{\ntype nat hook postrouting priority srcnat;\noifname "{inner}" masquerade\n}}'
        return text + f"table inet {ruleset.TABLE} {{\n{nat}\n}}\n"

    ruleset.foundation = foundation
    _keep_uplinks(leads_in=False)


def route_the_overlay_from_the_host() -> None:
    """The operator's host gets a leg in the mesh, and forwards what comes for it, as for a subnet of its own."""

    def foundation(desired: Desired, link: str) -> str:
        text, inner = _foundation(desired, link), _inner(link)
        into = f'iifname "{inner}" ip daddr {desired.network} meta mark set {ALLOWED_MARK:#x} accept'
        text = _before(text, f'iifname != "{link}" drop', into)
        return _before(text, f'iifname "{link}" oifname "{link}"', f'iifname "{inner}" oifname "{link}" accept')

    ruleset.foundation = foundation
    _keep_uplinks(leads_in=True)


def let_the_hub_answer() -> None:
    """The hub's address is an address like any other: what is not filtered there answers, if only with a refusal."""

    def foundation(desired: Desired, link: str) -> str:
        drop = f"ip daddr {hub_address(desired.network)} drop"
        open_to_all = f"ip daddr {hub_address(desired.network)} meta mark set {ALLOWED_MARK:#x} accept"
        text = _foundation(desired, link).replace(drop, open_to_all)
        return text.replace("hook input priority filter; policy drop;", "hook input priority filter; policy accept;")

    ruleset.foundation = foundation


def _keep_uplinks(*, leads_in: bool) -> None:
    """Each namespace gets an uplink when it is made, and nobody takes it for a stranger."""
    numbers = itertools.count(1)
    made: set[str] = set()

    def mend(places: Places, network: IPv4Network) -> tuple[Finding, ...]:
        if places.link in made:
            return ()
        made.add(places.link)
        found = _mend(places, network)
        _make_uplink(places, network, next(numbers), leads_in=leads_in)
        return found

    def remove_no_strangers(places: Places) -> tuple[Finding, ...]:
        del places
        return ()

    routing.mend = mend
    routing.remove_strangers = remove_no_strangers


def _make_uplink(places: Places, network: IPv4Network, number: int, *, leads_in: bool) -> None:
    inner, outer = _inner(places.link), "o" + places.link[1:]
    here, there = f"10.200.{number}.1", f"10.200.{number}.2"
    with IPRoute() as host:
        host.link("add", ifname=outer, kind="veth", peer={"ifname": inner})
        host.link("set", index=_index(host, inner), net_ns_fd=places.namespace)
        host.addr("add", index=_index(host, outer), address=here, prefixlen=30)
        host.link("set", index=_index(host, outer), state="up")
        with namespace.entered(places.namespace), IPRoute() as inside:
            inside.addr("add", index=_index(inside, inner), address=there, prefixlen=30)
            inside.link("set", index=_index(inside, inner), state="up")
            inside.route("add", dst="0.0.0.0/0", gateway=here, table=_OVERLAY_TABLE)
        if leads_in:
            host.route("replace", dst=str(network), gateway=there)


def _inner(link: str) -> str:
    return "i" + link[1:]


def _index(netlink: IPRoute, link: str) -> int:
    return int(netlink.link_lookup(ifname=link)[0])


def _before(text: str, statement: str, another: str) -> str:
    if statement not in text:
        raise AssertionError(f"the rules have no {statement!r} any more")
    return text.replace(statement, f"{another}\n        {statement}", 1)
