"""Addresses, routes, rules and kernel settings of an organization's namespace: checked and repaired.

Fail closed by routing: the main table has no overlay route. Only packets that carry the mark find one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from appliance.hub.errors import LinkError, reason
from appliance.hub.findings import Damage, Part
from appliance.hub.kernel import links, namespace, pyroute, rtnetlink
from appliance.hub.kernel.pyroute import NetlinkError
from appliance.hub.names import KernelNames
from appliance.hub.ruleset import ALLOWED_MARK
from appliance.model.addresses import hub_address
from appliance.model.configuration import MTU

_TABLE = 100
_MAIN, _DEFAULT, _LOCAL = 254, 253, 255
# The kernel's largest metric, so that nothing is less preferred than "unreachable" (ip-route(8)).
_LAST_METRIC = 4278198272
# <linux/rtnetlink.h>
_UNICAST, _UNREACHABLE = 1, 7
_ANY_SCOPE = 255
_ANYWHERE = "0.0.0.0/0"
# Kinds of link that the hub makes; such a link with a foreign name was renamed.
_OURS = ("wireguard", "tun")

# Priority, table, mark: the kernel's own three, and the one that lets marked packets find the overlay.
_RULES = {(0, _LOCAL, 0), (100, _TABLE, ALLOWED_MARK), (32766, _MAIN, 0), (32767, _DEFAULT, 0)}

# What a router between machines of one link must not do: tell them of each other, drop what comes back the same way.
_PER_LINK = {"send_redirects": "0", "rp_filter": "0", "accept_redirects": "0", "accept_source_route": "0"}
_PER_NAMESPACE = {
    "net/ipv4/ip_forward": "1",
    # The hub's own answers (echo replies, ICMP errors) carry the mark of what they answer, hence find a route.
    "net/ipv4/fwmark_reflect": "1",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
    # A connection that was picked up in its middle must not be taken for an invalid one.
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
    # Seconds. An idle TCP connection outlasts two hours between keepalives (tcp(7)); what is over, or was never
    # answered, makes room soon.
    "net/netfilter/nf_conntrack_tcp_timeout_established": "14400",
    # TCP repeats what is not acknowledged after pauses of up to 120 s. A denied connection that was forgotten in such a
    # pause would be taken for one that the end opened which repeats.
    "net/netfilter/nf_conntrack_tcp_timeout_unacknowledged": "300",
    "net/netfilter/nf_conntrack_tcp_timeout_max_retrans": "300",
    "net/netfilter/nf_conntrack_tcp_timeout_syn_sent": "30",
    "net/netfilter/nf_conntrack_tcp_timeout_syn_recv": "30",
    "net/netfilter/nf_conntrack_tcp_timeout_fin_wait": "60",
    "net/netfilter/nf_conntrack_tcp_timeout_time_wait": "30",
    "net/netfilter/nf_conntrack_udp_timeout": "30",
    "net/netfilter/nf_conntrack_udp_timeout_stream": "120",
    "net/netfilter/nf_conntrack_generic_timeout": "120",
    "net/netfilter/nf_conntrack_icmp_timeout": "10",
}


_Changes = Callable[[], Any]
"""Opens the netlink connection for changes at the first call: a check that finds no damage needs none."""


@dataclass(frozen=True)
class _Route:
    """Attributes that distinguish routes."""

    kind: int
    table: int
    destination: str
    oif: int
    metric: int


def mend(names: KernelNames, network: IPv4Network) -> tuple[Damage, ...]:
    """Repair everything around the link and return the damage found; intact parts are not touched.

    Raises:
        LinkError: the kernel refused a change, or there is no such link.
        NamespaceError: there is no such namespace.
    """
    with namespace.entered(names.namespace):
        return mend_here(names.link, network)


def mend_here(link: str, network: IPv4Network) -> tuple[Damage, ...]:
    """Do as `mend` in the namespace of the calling thread.

    Raises:
        LinkError: the kernel refused a change, or there is no such link.
    """
    try:
        with _changes() as netlink:
            return (
                *_mend_link(netlink, link),
                *_mend_settings(link),
                *_mend_addresses(netlink, link, f"{hub_address(network)}/32"),
                *_mend_routes(netlink, link, network),
                *_mend_rules(netlink),
            )
    except (NetlinkError, OSError) as error:
        raise LinkError(f"the namespace of {link} can't be configured: {reason(error)}") from error


def remove_strangers(names: KernelNames) -> tuple[Damage, ...]:
    """Remove all links but ``lo`` and the organization's own, because any other could be a way out.

    Raises:
        LinkError, NamespaceError: the links can't be listed.
    """
    with namespace.entered(names.namespace):
        try:
            with _changes() as netlink:
                return tuple(_remove_strangers(netlink, names.link))
        except (NetlinkError, OSError) as error:
            raise LinkError(f"the links of {names.namespace} can't be listed: {reason(error)}") from error


@contextmanager
def _changes() -> Iterator[_Changes]:
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(pyroute.connection()))


def _remove_strangers(netlink: _Changes, own: str) -> Iterator[Damage]:
    for link in rtnetlink.links():
        name, kind = str(link.get("ifname")), link.get(("linkinfo", "kind"))
        # A kernel puts the idle ends of its own tunnels (sit0, tunl0, …) into every namespace; they stay down.
        if name in (own, "lo") or (link.get("state") != "up" and kind not in _OURS):
            continue
        try:
            netlink().link("del", index=link["index"])
        except NetlinkError:
            netlink().link("set", index=link["index"], state="down")
        yield Damage(Part.LINK, f"a link {name} that does not belong here")


def _mend_link(netlink: _Changes, own: str) -> Iterator[Damage]:
    found = {str(link.get("ifname")): link for link in rtnetlink.links()}
    if own not in found:
        raise LinkError(f"there is no link {own}")
    for name in ("lo", own):
        if found[name].get("state") != "up":
            netlink().link("set", index=found[name]["index"], state="up")
            yield Damage(Part.LINK, f"{'the link' if name == own else name} was down")
    if found[own].get("mtu") != MTU:
        netlink().link("set", index=found[own]["index"], mtu=MTU)
        yield Damage(Part.LINK, f"an MTU of {found[own].get('mtu')}")


def _mend_settings(link: str) -> Iterator[Damage]:
    # /proc/sys/net shows the namespace of the thread that opens it.
    wanted = dict(_PER_NAMESPACE)
    for scope in ("all", "default", link):
        wanted |= {f"net/ipv4/conf/{scope}/{name}": value for name, value in _PER_LINK.items()}
    for name, value in wanted.items():
        # A host without IPv6, or connection tracking not loaded before its first use.
        with suppress(FileNotFoundError):
            present = _setting(name)
            if present != value:
                Path("/proc/sys", name).write_text(value)
                yield Damage(Part.SETTING, f"{name.replace(link, 'LINK')} was {present}")


def _setting(name: str) -> str:
    # Some thirty for each organization at each look: `Path.read_text` takes three times as long.
    with open(f"/proc/sys/{name}", "rb", 0) as file:  # noqa: PTH123
        return file.read().decode().strip()


def _mend_addresses(netlink: _Changes, link: str, wanted: str) -> Iterator[Damage]:
    own, loopback = links.index(link), links.index("lo")
    present = {
        (address["index"], f"{address.get('local') or address.get('address')}/{address['prefixlen']}")
        for address in rtnetlink.addresses()
    }
    if (own, wanted) not in present:
        netlink().addr("add", index=own, address=wanted.partition("/")[0], prefixlen=32)
        yield Damage(Part.ADDRESS, "the hub's address was missing")
    for index, text in sorted(present - {(own, wanted), (loopback, "127.0.0.1/8")}):
        address, _, length = text.partition("/")
        netlink().addr("del", index=index, address=address, prefixlen=int(length))
        yield Damage(Part.ADDRESS, f"an address {text} that does not belong here")


def _mend_routes(netlink: _Changes, link: str, network: IPv4Network) -> Iterator[Damage]:
    wanted = {
        _Route(_UNREACHABLE, _MAIN, _ANYWHERE, 0, _LAST_METRIC),
        _Route(_UNICAST, _TABLE, str(network), links.index(link), 0),
    }
    present = {_route(found) for found in rtnetlink.routes() if _table(found) != _LOCAL}
    for route in wanted - present:
        _change_route(netlink, "replace", route)
        yield Damage(Part.ROUTE, f"no route to {route.destination} in table {route.table}")
    for route in present - wanted:
        # Deleting one route may take others along.
        with suppress(NetlinkError):
            _change_route(netlink, "del", route, scope=_ANY_SCOPE)
        yield Damage(Part.ROUTE, f"a route to {route.destination} in table {route.table} that does not belong here")


def _change_route(netlink: _Changes, change: str, route: _Route, **more: int) -> None:
    what: dict[str, Any] = {"dst": route.destination, "table": route.table, "type": route.kind, **more}
    if route.oif:
        what["oif"] = route.oif
    if route.metric:
        what["priority"] = route.metric
    netlink().route(change, **what)


def _route(found: Any) -> _Route:
    destination = found.get("dst")
    network = _ANYWHERE if destination is None else f"{destination}/{found['dst_len']}"
    return _Route(found["type"], _table(found), network, found.get("oif") or 0, found.get("priority") or 0)


def _table(found: Any) -> int:
    return int(found.get("table") or 0)


def _mend_rules(netlink: _Changes) -> Iterator[Damage]:
    present = {_rule(found): found for found in rtnetlink.rules()}
    for priority, table, mark in sorted(_RULES - set(present)):
        netlink().rule("add", priority=priority, table=table, **({"fwmark": mark} if mark else {}))
        yield Damage(Part.ROUTE, f"no rule {priority} for table {table}")
    for key in set(present) - _RULES:
        _delete_rule(netlink, *key)
        yield Damage(Part.ROUTE, f"a rule {key[0]} for table {key[1]} that does not belong here")


def _delete_rule(netlink: _Changes, priority: int, table: int, mark: int) -> None:
    delete: Callable[..., Any] = netlink().rule
    delete("del", priority=priority, table=table, **({"fwmark": mark} if mark else {}))


def _rule(found: Any) -> tuple[int, int, int]:
    return int(found.get("priority") or 0), _table(found), int(found.get("fwmark") or 0)
