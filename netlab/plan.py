"""Plans of labs as plain data: hosts, cables, shapes and routes, for `Lab.build`.

Example:
    >>> plan = Plan.star("internet", {"hub": "192.0.2.1/24", "mumbai": "192.0.2.11/24"})
    >>> plan.switches
    ('internet',)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from netlab.errors import InvalidPlan


@dataclass(frozen=True)
class LinkShape:
    """Limits and faults of a link, in each direction.

    Attributes:
        mtu: largest packet, in bytes of IP.
        rate: bits per second; None for no limit.
        delay: seconds; needs a kernel with netem.
        loss: share of packets that are lost, 0 to 1, each by its own chance.
        reorder: share of packets, 0 to 1, that skip the delay and so overtake others; needs a delay.

    Raises:
        InvalidPlan: a value is out of range, or `reorder` comes without `delay`.
    """

    mtu: int = 1500
    rate: int | None = None
    delay: float | None = None
    loss: float | None = None
    reorder: float | None = None

    def __post_init__(self) -> None:
        if self.mtu < 68:
            raise InvalidPlan(f"an MTU of {self.mtu} is less than IPv4 needs")
        if self.rate is not None and self.rate <= 0:
            raise InvalidPlan(f"a rate of {self.rate} bit/s lets nothing pass")
        if self.delay is not None and self.delay < 0:
            raise InvalidPlan(f"a delay of {self.delay} s is in the past")
        for name, share in (("loss", self.loss), ("reorder", self.reorder)):
            if share is not None and not 0 <= share <= 1:
                raise InvalidPlan(f"a {name} of {share} is no share between 0 and 1")
        if self.reorder and not self.delay:
            raise InvalidPlan("only delayed packets can be overtaken: reorder needs a delay")


@dataclass(frozen=True)
class HostPlan:
    """A host of a plan.

    Attributes:
        name: name of the host, and its host name.
        forwards: make it a router.
        masquerade: name of the interface whose own address forwarded packets carry when they leave by it; None for no
            translation.
    """

    name: str
    forwards: bool = False
    masquerade: str | None = None


@dataclass(frozen=True)
class Cable:
    """A link of a plan from a host to a switch; a host may have several.

    Attributes:
        host: name of a planned host.
        switch: name of the switch, which exists because a cable leads there.
        addresses: IPv4 and IPv6 addresses of the host on this link, with prefix length.
        shape: limits and faults of the link.
        interface: name of the link in the host; None takes `eth0`, `eth1`, … in the order of the plan.
    """

    host: str
    switch: str
    addresses: tuple[str, ...] = ()
    shape: LinkShape = LinkShape()
    interface: str | None = None


@dataclass(frozen=True)
class Route:
    """A route of a planned host.

    Attributes:
        host: name of the host.
        destination: a network, or `default`.
        via: address of the next hop.
    """

    host: str
    destination: str
    via: str


@dataclass(frozen=True)
class Plan:
    """A whole lab as data.

    Attributes:
        hosts: hosts in the order in which they are made.
        cables: cables in the order in which they are plugged in.
        routes: routes in the order in which they are added.
        names: pairs of a name and its address, known to all hosts.

    Raises:
        InvalidPlan: its parts don't fit together, or an address is not written as one with prefix length.
    """

    hosts: tuple[HostPlan, ...]
    cables: tuple[Cable, ...]
    routes: tuple[Route, ...] = ()
    names: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        known = [host.name for host in self.hosts]
        if len(known) != len(set(known)):
            raise InvalidPlan(f"a host is planned twice: {', '.join(known)}")
        strangers = {part.host for parts in (self.cables, self.routes) for part in parts} - set(known)
        if strangers:
            raise InvalidPlan(f"cables or routes of hosts that are not planned: {', '.join(sorted(strangers))}")
        taken: dict[str, str] = {}
        for cable in self.cables:
            for address in cable.addresses:
                _check_address(address)
                # Another network may have the same address.
                if (place := f"{cable.switch} {ipaddress.ip_interface(address).ip}") in taken:
                    raise InvalidPlan(f"{cable.host} and {taken[place]} have the same address {address}")
                taken[place] = cable.host

    @classmethod
    def star(cls, switch: str, addresses: Mapping[str, str]) -> Plan:
        """Plans hosts that are all on one switch.

        Args:
            switch: name of the switch.
            addresses: address with prefix length of each host, by name.
        """
        cables = tuple(Cable(name, switch, (address,)) for name, address in addresses.items())
        return cls(tuple(map(HostPlan, addresses)), cables)

    @property
    def switches(self) -> tuple[str, ...]:
        """Names of the switches, in the order in which cables lead there."""
        return tuple(dict.fromkeys(cable.switch for cable in self.cables))

    def addresses_of(self, host: str) -> set[str]:
        """Returns all addresses that the plan gives a host, with prefix length.

        Args:
            host: name of the host.
        """
        return {address for cable in self.cables if cable.host == host for address in cable.addresses}


def _check_address(address: str) -> None:
    try:
        interface = ipaddress.ip_interface(address)
    except ValueError as error:
        raise InvalidPlan(f"{address!r} is no address") from error
    if "/" not in address or str(interface) != address:
        raise InvalidPlan(f"{address!r} is not written as an address with its prefix length: {interface}")
