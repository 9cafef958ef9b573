"""Lists and changes by rtnetlink, in a namespace of the test."""

from __future__ import annotations

import errno
import socket
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from appliance.hub.kernel import namespace
from appliance.hub.kernel.netlink import KernelRefusal
from appliance.hub.kernel.rtnetlink import UNICAST, UNREACHABLE, Link, Route, RouteSocket, RoutingRule

OWN = [RoutingRule(0, 255, 0), RoutingRule(32766, 254, 0), RoutingRule(32767, 253, 0)]
"""Rules of each namespace from its beginning."""


def ip(command: str) -> str:
    """Runs ip(8) in the namespace of the thread."""
    return subprocess.run(["ip", *command.split()], capture_output=True, text=True, check=True).stdout


def in_scratch(work: Callable[[RouteSocket], None]) -> None:
    """Runs the work in an empty namespace with a socket."""

    def body() -> None:
        with RouteSocket() as netlink:
            work(netlink)

    namespace.in_scratch(body)


def test_a_long_list_is_complete() -> None:
    """Lists more than the 300 addresses that the kernel sends in one message."""

    def work(netlink: RouteSocket) -> None:
        lines = "".join(f"addr add 10.9.{number // 250}.{number % 250 + 1}/32 dev lo\n" for number in range(2_000))
        subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
        found = netlink.addresses()
        assert len(found) == len(set(found)) == 2_000

    in_scratch(work)


def test_a_link_is_set_up_with_its_mtu_and_down() -> None:
    def work(netlink: RouteSocket) -> None:
        (link,) = netlink.links()
        netlink.set_up(link.index, 1420)
        assert netlink.links() == [Link(link.index, "lo", "", True, 1420, b"")]
        netlink.set_mtu(link.index, 1500)
        netlink.set_down(link.index)
        assert netlink.links() == [Link(link.index, "lo", "", False, 1500, b"")]
        netlink.set_up(link.index)
        assert netlink.links() == [Link(link.index, "lo", "", True, 1500, b"")]

    in_scratch(work)


def test_a_link_of_a_kind_is_added_once_and_deleted() -> None:
    def work(netlink: RouteSocket) -> None:
        def kinds() -> dict[str, str]:
            return {link.name: link.kind for link in netlink.links()}

        netlink.add_link("added", "bridge")
        assert kinds() == {"lo": "", "added": "bridge"}
        with pytest.raises(KernelRefusal, match="File exists"):
            netlink.add_link("added", "bridge")
        netlink.delete_link(socket.if_nametoindex("added"))
        assert kinds() == {"lo": ""}

    in_scratch(work)


def test_an_address_is_listed_and_shown_as_it_is() -> None:
    def work(netlink: RouteSocket) -> None:
        netlink.add_address(1, IPv4Address("10.9.0.1"))
        assert "inet 10.9.0.1/32 scope global lo" in ip("-o addr show dev lo")
        ip("addr add 10.9.0.1/24 dev lo")
        ip("addr add 10.9.0.2 peer 10.9.0.3/32 dev lo")
        assert sorted(map(str, netlink.addresses())) == ["10.9.0.1/24", "10.9.0.1/32", "10.9.0.2/32"]

    in_scratch(work)


def test_each_listed_address_can_be_deleted() -> None:
    def work(netlink: RouteSocket) -> None:
        for text in ("10.9.0.1/32", "10.9.0.1/24", "10.9.0.2 peer 10.9.0.3/32"):
            ip(f"addr add {text} dev lo")
        kept, *others = sorted(netlink.addresses(), key=str, reverse=True)
        assert str(kept) == "10.9.0.2/32"
        for address in others:
            netlink.delete_address(address)
        assert netlink.addresses() == [kept]
        netlink.delete_address(kept)
        assert netlink.addresses() == []

    in_scratch(work)


@pytest.mark.parametrize(
    ("route", "shown"),
    [
        (Route(UNREACHABLE, 254, "0.0.0.0/0", 0, 4278198272), "unreachable default metric 4278198272"),
        (Route(UNICAST, 1000, "10.9.0.0/16", 1, 0), "10.9.0.0/16 dev lo table 1000 scope link"),
    ],
    ids=["unreachable", "unicast"],
)
def test_a_route_is_listed_and_shown_as_it_is(route: Route, shown: str) -> None:
    def work(netlink: RouteSocket) -> None:
        netlink.set_up(1)
        before = set(netlink.routes())
        netlink.replace_route(route)
        netlink.replace_route(route)
        assert set(netlink.routes()) - before == {route}
        told = ip("route show table all").replace(" proto static", "")
        assert shown in [" ".join(line.split()) for line in told.splitlines()]
        netlink.delete_route(route)
        assert set(netlink.routes()) == before

    in_scratch(work)


@pytest.mark.parametrize("kind", ["blackhole", "prohibit", "throw"])
def test_a_route_of_another_kind_can_be_deleted(kind: str) -> None:
    def work(netlink: RouteSocket) -> None:
        ip(f"route add {kind} 10.9.0.0/16 metric 7")
        (route,) = netlink.routes()
        assert route[1:] == (254, "10.9.0.0/16", 0, 7)
        netlink.delete_route(route)
        assert netlink.routes() == []

    in_scratch(work)


def test_a_rule_is_listed_shown_and_deleted() -> None:
    def work(netlink: RouteSocket) -> None:
        assert netlink.rules() == OWN
        rule = RoutingRule(100, 1000, 0x4D)
        netlink.add_rule(rule)
        assert "100:\tfrom all fwmark 0x4d lookup 1000" in ip("rule")
        assert set(netlink.rules()) == {*OWN, rule}
        netlink.delete_rule(rule)
        assert netlink.rules() == OWN

    in_scratch(work)


def test_a_rule_that_leads_to_no_table_can_be_deleted() -> None:
    def work(netlink: RouteSocket) -> None:
        ip("rule add prohibit priority 7")
        (found,) = set(netlink.rules()) - set(OWN)
        netlink.delete_rule(found)
        assert netlink.rules() == OWN

    in_scratch(work)


def test_after_a_refusal_the_socket_still_answers() -> None:
    def work(netlink: RouteSocket) -> None:
        with pytest.raises(KernelRefusal) as caught:
            netlink.set_up(99, 1420)
        assert caught.value.errno == errno.ENODEV
        assert [link.name for link in netlink.links()] == ["lo"]

    in_scratch(work)
