"""Plans of labs, and the labs built from them."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP

from netlab import Cable, Capture, HostPlan, InvalidPlan, Lab, LinkShape, Plan, Route

HOME = Plan(
    hosts=(HostPlan("laptop"), HostPlan("router", forwards=True, masquerade="wan"), HostPlan("server")),
    cables=(
        Cable("laptop", "home", ("10.0.0.2/24",), LinkShape(mtu=1400)),
        Cable("router", "home", ("10.0.0.1/24",)),
        Cable("router", "internet", ("203.0.113.1/24",), interface="wan"),
        Cable("server", "internet", ("203.0.113.9/24", "2001:db8::9/64")),
    ),
    routes=(Route("laptop", "default", "10.0.0.1"),),
    names=(("www.example.net", "203.0.113.9"),),
)


def test_a_lab_is_as_planned(lab: Lab) -> None:
    lab.build(HOME)
    laptop, server = lab.hosts["laptop"], lab.hosts["server"]
    assert list(lab.switches) == ["home", "internet"]
    assert server.addresses("eth0") == ["203.0.113.9/24", "2001:db8::9/64"]
    with Capture(server, "eth0", "icmp") as capture:
        assert laptop.ping("203.0.113.9", count=2, interval=0.05)
        assert capture.packets()[0][IP].src == "203.0.113.1"
    assert laptop.run("getent", "hosts", "www.example.net").stdout.split()[0] == "203.0.113.9"


def test_a_plan_can_be_added_to_an_existing_lab(lab: Lab) -> None:
    lab.connect(lab.host("first"), lab.switch("internet"), "192.0.2.1/24")
    lab.build(Plan.star("internet", {"second": "192.0.2.2/24", "third": "192.0.2.3/24"}))
    assert lab.hosts["first"].ping("192.0.2.3")


def test_a_plan_describes_itself() -> None:
    assert HOME.switches == ("home", "internet")
    assert HOME.addresses_of("router") == {"10.0.0.1/24", "203.0.113.1/24"}


def cable(address: str, host: str = "a", switch: str = "lan") -> Cable:
    return Cable(host, switch, (address,))


@pytest.mark.parametrize(
    ("hosts", "cables", "routes", "word"),
    [
        ("aa", (), (), "twice"),
        ("a", (cable("192.0.2.1/24", "b"),), (), "not planned: b"),
        ("a", (), (Route("c", "default", "192.0.2.1"),), "not planned: c"),
        ("ab", (cable("192.0.2.1/24"), cable("192.0.2.1/25", "b")), (), "same address"),
        ("a", (cable("192.0.2.1"),), (), "prefix length"),
        ("a", (cable("192.0.2.300/24"),), (), "no address"),
    ],
)
def test_a_contradictory_plan_is_refused(
    hosts: str, cables: tuple[Cable, ...], routes: tuple[Route, ...], word: str
) -> None:
    with pytest.raises(InvalidPlan, match=word):
        Plan(tuple(map(HostPlan, hosts)), cables, routes)


def test_equal_addresses_in_other_networks_are_no_contradiction() -> None:
    Plan((HostPlan("a"), HostPlan("b")), (cable("10.0.0.1/24"), cable("10.0.0.1/24", "b", "other")))
