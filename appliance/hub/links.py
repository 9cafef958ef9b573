"""Links, addresses and routes of an organization's namespace, by netlink.

Fail closed by routing: the main table has no overlay route. Only packets that carry the mark find one.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from appliance.hub import namespace
from appliance.hub.errors import LinkError, NamespaceError
from appliance.hub.names import Places
from appliance.hub.ruleset import ALLOWED_MARK
from appliance.model.addresses import hub_address
from appliance.model.configuration import MTU

_TABLE = 100
_RULE_PRIORITY = 100
# The kernel's largest metric, so that nothing is less preferred than "unreachable" (ip-route(8)).
_LAST_METRIC = 4278198272

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
}


def set_up(link: str) -> None:
    """Brings a link of the calling thread's namespace up."""
    try:
        with IPRoute() as netlink:
            netlink.link("set", index=_index(netlink, link), state="up", mtu=MTU)
    except (NetlinkError, OSError) as error:
        raise LinkError(f"link {link} can't be brought up: {error}") from error


def move(places: Places) -> None:
    """Moves the link from the calling thread's namespace into its organization's."""
    try:
        with IPRoute() as netlink:
            netlink.link("set", index=_index(netlink, places.link), net_ns_fd=places.namespace)
    except (NetlinkError, OSError) as error:
        raise LinkError(f"link {places.link} can't be moved into its namespace: {error}") from error


def is_in(places: Places) -> bool:
    """Whether the link lives in its organization's namespace."""
    try:
        with namespace.entered(places.namespace), IPRoute() as netlink:
            return bool(netlink.link_lookup(ifname=places.link))
    except (NamespaceError, NetlinkError, OSError):
        return False


def names() -> tuple[str, ...]:
    """The links of the calling thread's namespace, without ``lo``."""
    try:
        with IPRoute() as netlink:
            return tuple(sorted(name for link in netlink.get_links() if (name := str(link.get("ifname"))) != "lo"))
    except (NetlinkError, OSError) as error:
        raise LinkError(f"the links can't be listed: {error}") from error


def delete(places: Places) -> None:
    """Deletes the link, in its namespace and in the caller's (where a half made one is). None there is fine."""
    with suppress(NamespaceError), namespace.entered(places.namespace):
        _delete_here(places.link)
    _delete_here(places.link)


def _delete_here(link: str) -> None:
    with IPRoute() as netlink:
        for index in netlink.link_lookup(ifname=link):
            with suppress(NetlinkError):
                netlink.link("del", index=index)


def configure(places: Places, network: IPv4Network) -> None:
    """Addresses, routes and kernel settings of the namespace, as they should be; doing it again changes nothing.

    Raises:
        LinkError: the kernel refused a part of it.
    """
    with namespace.entered(places.namespace):
        _configure_settings(places.link)
        try:
            with IPRoute() as netlink:
                _configure_routing(netlink, places.link, network)
        except (NetlinkError, OSError) as error:
            raise LinkError(f"the namespace of {places.link} can't be configured: {error}") from error


def _configure_settings(link: str) -> None:
    # /proc/sys/net shows the namespace of the thread that opens it.
    settings = Path("/proc/sys")
    for name, value in _PER_NAMESPACE.items():
        with suppress(FileNotFoundError):  # a host without IPv6, or connection tracking not loaded before its first use
            (settings / name).write_text(value)
    for scope in ("all", "default", link):
        for name, value in _PER_LINK.items():
            (settings / "net/ipv4/conf" / scope / name).write_text(value)


def _configure_routing(netlink: IPRoute, link: str, network: IPv4Network) -> None:
    index = _index(netlink, link)
    netlink.link("set", index=_index(netlink, "lo"), state="up")
    netlink.link("set", index=index, state="up", mtu=MTU)
    netlink.addr("replace", index=index, address=str(hub_address(network)), prefixlen=32)
    netlink.route("replace", dst="0.0.0.0/0", type="unreachable", priority=_LAST_METRIC)
    netlink.route("replace", dst=str(network), oif=index, table=_TABLE)
    known = any(
        rule.get("fwmark") == ALLOWED_MARK and rule.get("table") == _TABLE for rule in netlink.get_rules(family=2)
    )
    if not known:
        netlink.rule("add", fwmark=ALLOWED_MARK, table=_TABLE, priority=_RULE_PRIORITY)


def _index(netlink: IPRoute, link: str) -> int:
    found = netlink.link_lookup(ifname=link)
    if not found:
        raise LinkError(f"there is no link {link}")
    return int(found[0])
