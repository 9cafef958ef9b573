"""A plain hub, as anyone sets one up in ten minutes: wg-quick, forwarding on, and no rules.

    python -m netlab.sandbox -- python -m netlab.examples.plainhub 50

builds a lab of that many machines around such a hub and prints the time that each part took.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from netlab.host import Host
from netlab.keys import genkey, pubkey
from netlab.lab import Lab
from netlab.plan import Cable, HostPlan, Plan
from netlab.together import together
from netlab.wireguard import Tunnel, wg_quick

NETWORK = "10.200.0.0/16"
_FIRST = IPv4Address("10.200.0.1")
_PORT = 51999
_HANDSHAKE_S = 10.0
_HUB = IPv4Address("198.18.0.1")
"""Address on the underlay: 198.18.0.0/15 is for tests (RFC 2544)."""


@dataclass(frozen=True)
class PlainHub:
    """A running hub and its machines.

    Attributes:
        address: address of the hub in the tunnels.
        addresses: addresses of the machines in the tunnels, in the order in which they were given.
        tunnel: tunnel of the hub.
        tunnels: tunnels of the machines, in the same order.
    """

    address: str
    addresses: tuple[str, ...]
    tunnel: Tunnel
    tunnels: tuple[Tunnel, ...]


def connect(hub: Host, hub_address: str, machines: Sequence[Host], implementation: str = "auto") -> PlainHub:
    """Makes a host a plain hub and connects machines to it, beside any other tunnels that they have.

    Args:
        hub: a host that forwards.
        hub_address: its address on the underlay, an IPv6 address in brackets.
        machines: hosts that reach it.
        implementation: WireGuard of the hub; see `wg_quick`.

    Returns:
        The running hub.

    Raises:
        CommandFailed: wg-quick failed on one of them.
        NothingArrived: a machine's handshake was not answered.
    """
    hub_key, keys = genkey(), [genkey() for _ in machines]
    addresses = tuple(str(_FIRST + number) for number in range(1, len(machines) + 1))
    peers = [
        f"[Peer]\nPublicKey = {pubkey(key)}\nAllowedIPs = {ip}/32" for key, ip in zip(keys, addresses, strict=True)
    ]
    interface = f"[Interface]\nPrivateKey = {hub_key}\nAddress = {_FIRST}/16\nMTU = 1420\nListenPort = {_PORT}"
    tunnel = wg_quick(hub, "\n".join([interface, *peers, ""]), "plain.conf", implementation=implementation)

    def bring_up(number: int) -> Tunnel:
        made = wg_quick(
            machines[number],
            f"[Interface]\nPrivateKey = {keys[number]}\nAddress = {addresses[number]}/16\nMTU = 1420\n"
            f"[Peer]\nPublicKey = {pubkey(hub_key)}\nEndpoint = {hub_address}:{_PORT}\n"
            f"AllowedIPs = {NETWORK}\nPersistentKeepalive = 25\n",
            "plain.conf",
        )
        made.wait_for_handshake(_HANDSHAKE_S)
        return made

    return PlainHub(str(_FIRST), addresses, tunnel, tuple(together(bring_up, range(len(machines)))))


def plan(machines: int) -> Plan:
    """Plans a router `hub` and hosts `machine-1`, `machine-2`, … on one switch.

    Args:
        machines: number of hosts beside the hub.
    """
    hosts = [HostPlan("hub", forwards=True), *(HostPlan(f"machine-{number}") for number in range(1, machines + 1))]
    return Plan(tuple(hosts), tuple(Cable(host.name, "internet", (f"{_HUB + n}/15",)) for n, host in enumerate(hosts)))


def main(arguments: Sequence[str]) -> int:
    """Builds the lab and prints the time that each part took.

    Args:
        arguments: the number of machines, 2 if empty.

    Returns:
        Exit status: 0 if every machine answers a ping.
    """
    count = int(arguments[0]) if arguments else 2
    begun = time.monotonic()
    with Lab() as lab:
        lab.build(plan(count))
        built = time.monotonic()
        hub, *machines = lab.hosts.values()
        made = connect(hub, str(_HUB), machines)
        connected = time.monotonic()
        reached = sum(together(lambda address: bool(hub.ping(address)), made.addresses))
        answered = time.monotonic()
    ended = time.monotonic()
    print(f"{count} machines and a hub are plugged in after {built - begun:.3f} s,")
    print(f"connected after {connected - begun:.3f} s: {reached} of {count} answer a ping.")
    print(f"Taken away in {ended - answered:.3f} s.")
    return 0 if reached == count else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
