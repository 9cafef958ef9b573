"""A machine's place behind a router that translates addresses, as at home: below the tunnel nobody gets in."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world.world import World
from netlab import LabHost

_NETWORK = "192.168.77"


@dataclass(frozen=True)
class Home:
    """A host on a network of its own, and what is between it and the underlay.

    Attributes:
        own_address: the host's, on its network.
        router: forwards, and gives its own address to what goes out by ``eth0``.
        address: the router's on the underlay.
        inside: the router's link to the host.
    """

    host: LabHost
    own_address: str
    router: LabHost
    address: str
    inside: str


def behind_a_router(world: World, name: str) -> Home:
    """Makes one; nothing else in the lab is called so."""
    router, address = world.bare_host()
    router.masquerade("eth0")
    switch, host = world.lab.switch(name), world.lab.host(name)
    inside = world.lab.connect(router, switch, f"{_NETWORK}.1/24").interface
    world.lab.connect(host, switch, f"{_NETWORK}.2/24")
    host.route("default", via=f"{_NETWORK}.1")
    return Home(host, f"{_NETWORK}.2", router, address, inside)
