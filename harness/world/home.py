"""Host behind a router that translates addresses, as at home."""

from __future__ import annotations

from dataclasses import dataclass

from harness.world.world import World
from netlab import LabHost

_NETWORK = "192.168.77"


@dataclass(frozen=True)
class Home:
    """A host on a network of its own, and the router to the underlay.

    Attributes:
        host: the host.
        own_address: address of the host on its network.
        router: router that translates the source address of what it sends by ``eth0``.
        address: address of the router on the underlay.
        inside: name of the router's link to the host.
    """

    host: LabHost
    own_address: str
    router: LabHost
    address: str
    inside: str


def behind_a_router(world: World, name: str) -> Home:
    """Makes a host and its router.

    Args:
        name: unique name in the lab, for the host and its network.
    """
    router, address = world.router()
    router.masquerade("eth0")
    switch, host = world.lab.switch(name), world.lab.host(name)
    inside = world.lab.connect(router, switch, f"{_NETWORK}.1/24").interface
    world.lab.connect(host, switch, f"{_NETWORK}.2/24")
    host.route("default", via=f"{_NETWORK}.1")
    return Home(host, f"{_NETWORK}.2", router, address, inside)
