"""Addresses, routes, rules and kernel settings of an organization's namespace: checked and repaired.

Fail closed by routing: the main table has no overlay route. Only packets that carry the mark find one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network

from appliance.hub.errors import LinkError, reason
from appliance.hub.findings import Damage, DamagedPart
from appliance.hub.kernel import links, namespace
from appliance.hub.kernel.netlink import KernelRefusal
from appliance.hub.kernel.rtnetlink import UNICAST, UNREACHABLE, Route, RouteSocket, RoutingRule
from appliance.hub.names import KernelNames
from appliance.hub.ruleset import ALLOWED_MARK
from appliance.model.addresses import hub_address
from appliance.model.configuration import MTU

_TABLE = 100
_MAIN, _DEFAULT, _LOCAL = 254, 253, 255
# The kernel's largest metric, so that nothing is less preferred than "unreachable" (ip-route(8)).
_LAST_METRIC = 4278198272
_ANYWHERE = "0.0.0.0/0"
_LONGEST_VALUE = 64
FRAGMENT_BYTES, FRAGMENTS_S = 2**20, 2
"""Bytes of the kernel's memory for fragments that wait for the rest of their packet, and seconds for which they do."""
# Kinds of link that the hub makes; such a link with a foreign name was renamed.
_OURS = ("wireguard", "tun")

# The kernel's own three, and the one that lets marked packets find the overlay.
_RULES = {
    RoutingRule(0, _LOCAL, 0),
    RoutingRule(100, _TABLE, ALLOWED_MARK),
    RoutingRule(32766, _MAIN, 0),
    RoutingRule(32767, _DEFAULT, 0),
}

# What a router between machines of one link must not do: tell them of each other, drop what comes back the same way.
_PER_LINK = {"send_redirects": "0", "rp_filter": "0", "accept_redirects": "0", "accept_source_route": "0"}
_PER_NAMESPACE = {
    "net/ipv4/ip_forward": "1",
    # The hub's own answers (echo replies, ICMP errors) carry the mark of what they answer, hence find a route.
    "net/ipv4/fwmark_reflect": "1",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
    # Fragments wait in the kernel's memory, which no process answers for, until their packet is whole. A megabyte holds
    # nine datagrams of the largest size; the kernel's own values are four megabytes for half a minute. The lower bound,
    # which nothing uses, may not be above the upper one.
    "net/ipv4/ipfrag_low_thresh": "0",
    "net/ipv4/ipfrag_high_thresh": f"{FRAGMENT_BYTES}",
    "net/ipv4/ipfrag_time": f"{FRAGMENTS_S}",
    # A connection that was picked up in its middle must not be taken for an invalid one.
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
    # Seconds. An idle TCP connection outlasts two hours between keepalives (tcp(7)); what was never answered makes room
    # soon.
    "net/netfilter/nf_conntrack_tcp_timeout_established": "14400",
    "net/netfilter/nf_conntrack_tcp_timeout_syn_sent": "30",
    "net/netfilter/nf_conntrack_tcp_timeout_syn_recv": "30",
    # TCP repeats what is not acknowledged after pauses of up to 120 s. A denied connection that was forgotten in such a
    # pause would be taken for one that the end opened which repeats.
    "net/netfilter/nf_conntrack_tcp_timeout_unacknowledged": "300",
    "net/netfilter/nf_conntrack_tcp_timeout_max_retrans": "300",
    # The same goes for a connection that one end has closed: the other end may not know, if that was denied.
    "net/netfilter/nf_conntrack_tcp_timeout_fin_wait": "150",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait": "150",
    "net/netfilter/nf_conntrack_tcp_timeout_last_ack": "150",
    # What both have closed, or one has broken off, makes room soon: otherwise a machine that opens a hundred short
    # connections a second would reach its bound.
    "net/netfilter/nf_conntrack_tcp_timeout_time_wait": "30",
    "net/netfilter/nf_conntrack_tcp_timeout_close": "10",
    "net/netfilter/nf_conntrack_udp_timeout": "30",
    "net/netfilter/nf_conntrack_udp_timeout_stream": "120",
    "net/netfilter/nf_conntrack_generic_timeout": "120",
    "net/netfilter/nf_conntrack_icmp_timeout": "10",
}


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
        with RouteSocket() as netlink:
            return (
                *_mend_link(netlink, link),
                *_mend_settings(link),
                *_mend_addresses(netlink, link, hub_address(network)),
                *_mend_routes(netlink, link, network),
                *_mend_rules(netlink),
            )
    except OSError as error:
        raise LinkError(f"the namespace of {link} can't be configured: {reason(error)}") from error


def remove_strangers(names: KernelNames) -> tuple[Damage, ...]:
    """Remove all links but ``lo`` and the organization's own, because any other could be a way out.

    Raises:
        LinkError, NamespaceError: the links can't be listed.
    """
    with namespace.entered(names.namespace):
        try:
            with RouteSocket() as netlink:
                return tuple(_remove_strangers(netlink, names.link))
        except OSError as error:
            raise LinkError(f"the links of {names.namespace} can't be listed: {reason(error)}") from error


def _remove_strangers(netlink: RouteSocket, own: str) -> Iterator[Damage]:
    for link in netlink.links():
        # A kernel puts the idle ends of its own tunnels (sit0, tunl0, …) into every namespace; they stay down.
        if link.name in (own, "lo") or (not link.is_up and link.kind not in _OURS):
            continue
        try:
            netlink.delete_link(link.index)
        except KernelRefusal:
            netlink.set_down(link.index)
        yield Damage(DamagedPart.LINK, f"a link {link.name} that does not belong here")


def _mend_link(netlink: RouteSocket, own: str) -> Iterator[Damage]:
    found = {link.name: link for link in netlink.links()}
    if own not in found:
        raise LinkError(f"there is no link {own}")
    for name in ("lo", own):
        if not found[name].is_up:
            netlink.set_up(found[name].index)
            yield Damage(DamagedPart.LINK, f"{'the link' if name == own else name} was down")
    if found[own].mtu != MTU:
        netlink.set_mtu(found[own].index, MTU)
        yield Damage(DamagedPart.LINK, f"an MTU of {found[own].mtu}")


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
                _set(name, value)
                yield Damage(DamagedPart.SETTING, f"{name.replace(link, 'LINK')} was {present}")


# Some thirty for each organization at each look: objects for files would take three times as long.
def _setting(name: str) -> str:
    descriptor = os.open(f"/proc/sys/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST_VALUE).decode().strip()
    finally:
        os.close(descriptor)


def _set(name: str, value: str) -> None:
    descriptor = os.open(f"/proc/sys/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _mend_addresses(netlink: RouteSocket, link: str, wanted: IPv4Address) -> Iterator[Damage]:
    own, loopback = links.index(link), links.index("lo")
    present = {(address.index, str(address)): address for address in netlink.addresses()}
    kept = {(own, f"{wanted}/32"), (loopback, "127.0.0.1/8")}
    if (own, f"{wanted}/32") not in present:
        netlink.add_address(own, wanted)
        yield Damage(DamagedPart.ADDRESS, "the hub's address was missing")
    for key in sorted(present.keys() - kept):
        netlink.delete_address(present[key])
        yield Damage(DamagedPart.ADDRESS, f"an address {present[key]} that does not belong here")


def _mend_routes(netlink: RouteSocket, link: str, network: IPv4Network) -> Iterator[Damage]:
    wanted = {
        Route(UNREACHABLE, _MAIN, _ANYWHERE, 0, _LAST_METRIC),
        Route(UNICAST, _TABLE, str(network), links.index(link), 0),
    }
    present = {found for found in netlink.routes() if found.table != _LOCAL}
    for route in wanted - present:
        netlink.replace_route(route)
        yield Damage(DamagedPart.ROUTE, f"no route to {route.destination} in table {route.table}")
    for route in present - wanted:
        # Deleting one route may take others along.
        with suppress(KernelRefusal):
            netlink.delete_route(route)
        yield Damage(
            DamagedPart.ROUTE, f"a route to {route.destination} in table {route.table} that does not belong here"
        )


def _mend_rules(netlink: RouteSocket) -> Iterator[Damage]:
    present = set(netlink.rules())
    for rule in sorted(_RULES - present):
        netlink.add_rule(rule)
        yield Damage(DamagedPart.ROUTE, f"no rule {rule.priority} for table {rule.table}")
    for rule in present - _RULES:
        netlink.delete_rule(rule)
        yield Damage(DamagedPart.ROUTE, f"a rule {rule.priority} for table {rule.table} that does not belong here")
