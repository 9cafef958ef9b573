"""Ready-made small topologies, for tests and as examples of building a lab."""

from __future__ import annotations

from dataclasses import dataclass

from netlab.lab import Lab
from netlab.labhost import LabHost
from netlab.switch import Switch


@dataclass(frozen=True)
class Pair:
    """Two hosts on one switch.

    Attributes:
        lab: the lab that has them.
        internet: the switch.
        mumbai: host with 192.0.2.11.
        pune: host with 192.0.2.12.
    """

    lab: Lab
    internet: Switch
    mumbai: LabHost
    pune: LabHost


@dataclass(frozen=True)
class Gated:
    """Two hosts with a router between them that can drop all that it forwards.

    Attributes:
        left: host with 198.51.100.2.
        right: host with 203.0.113.2.
        router: the router.
    """

    left: LabHost
    right: LabHost
    router: LabHost

    def deny(self) -> None:
        """Makes the router drop everything that it would forward; in force on return."""
        self.router.run("nft", "add rule inet gate forward drop")

    def allow(self) -> None:
        """Makes the router forward everything; in force on return."""
        self.router.run("nft", "flush chain inet gate forward")


def pair(lab: Lab) -> Pair:
    """Builds a `Pair` in an empty lab."""
    internet = lab.switch("internet")
    mumbai, pune = lab.host("mumbai"), lab.host("pune")
    lab.connect(mumbai, internet, "192.0.2.11/24")
    lab.connect(pune, internet, "192.0.2.12/24")
    return Pair(lab, internet, mumbai, pune)


def gated(lab: Lab) -> Gated:
    """Builds a `Gated`, which forwards at first, in an empty lab."""
    router, hosts = lab.router("router"), []
    for name, network in (("left", "198.51.100"), ("right", "203.0.113")):
        switch, host = lab.switch(name), lab.host(name)
        lab.connect(host, switch, f"{network}.2/24")
        lab.connect(router, switch, f"{network}.1/24")
        host.route("default", via=f"{network}.1")
        hosts.append(host)
    chain = "add table inet gate\nadd chain inet gate forward { type filter hook forward priority 0; }\n"
    router.run("nft", "-f", "-", input=chain)
    return Gated(hosts[0], hosts[1], router)
