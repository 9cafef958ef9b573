"""The front door behind a firewall of its own host that drops whatever nothing allows."""

from __future__ import annotations

import re

import pytest

from appliance.hub.front_door import FrontDoor
from harness.paths import ROOT
from tests.appliance.hub.front_door.world import HUB4, HUB6, PORT, Machine, World
from tests.waiting import wait_until

# Ordinary for a server: replies, its own packets, neighbours of IPv6, and the public port.
USUAL = (
    "ct state established,related accept",
    'iif "lo" accept',
    "meta l4proto ipv6-icmp accept",
    f"udp dport {PORT} accept",
)


def documented_rule() -> str:
    """Reads the rule that the documentation asks for."""
    page = (ROOT / "docs" / "operating.md").read_text()
    (rule,) = re.findall(r"^    nft insert rule inet filter input (.+)$", page, re.MULTILINE)
    return str(rule)


def dropped(world: World) -> int:
    """Counts the packets that the firewall dropped."""
    listed = world.hub.run("nft", "list", "chain", "inet", "filter", "input").stdout
    return int(re.findall(r"counter packets (\d+)", listed)[0])


def begin_anew(machine: Machine) -> None:
    """Has a machine forget its session and ask for another one, from the port that the hub knows."""
    link = machine.tunnel.interface
    settings = machine.host.run("wg", "showconf", link).stdout
    machine.host.run("wg", "set", link, "peer", machine.organization.keys.public, "remove")
    machine.host.run("wg", "setconf", link, "/dev/stdin", input=settings)


@pytest.mark.parametrize("hub", [HUB4, HUB6])
def test_the_documented_rule_lets_sessions_through_a_firewall(world: World, door: FrontDoor, hub: str) -> None:
    chain = "; ".join(("type filter hook input priority filter; policy drop", *USUAL, "udp dport 1-65535 counter drop"))
    world.hub.run("nft", "-f", "-", input=f"table inet filter {{ chain input {{ {chain}; }}; }}")
    machine = world.machine(world.organizations[0], 11, hub)
    # The handshake passes, and nothing of the session.
    wait_until(lambda: door.counters().demultiplexed == 1 and dropped(world) > 0)
    world.hub.run("nft", "insert", "rule", "inet", "filter", "input", *documented_rule().split())
    assert machine.reaches_the_hub()
    # The next handshake comes from a known source, and takes another port.
    before = dropped(world)
    begin_anew(machine)
    assert machine.reaches_the_hub()
    assert (door.counters().demultiplexed, dropped(world)) == (2, before)
