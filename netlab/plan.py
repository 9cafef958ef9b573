"""What a lab should be, as plain data: hosts, cables, shapes, routes. `Lab.build` makes it so.

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
    """What a link does to packets, in each direction.

    Attributes:
        mtu: largest packet, bytes of IP.
        rate: bits per second; None: as fast as it goes.
        delay: seconds; needs a kernel with netem.
        loss: share of packets, 0 to 1, each by its own chance.
        reorder: share of packets, 0 to 1, that skip the delay and so overtake others; needs a delay.
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
    """A host.

    Attributes:
        name: also its host name.
        forwards: it is a router.
        masquerade: the interface out of which what it forwards carries its own address; None for none.
    """

    name: str
    forwards: bool = False
    masquerade: str | None = None


@dataclass(frozen=True)
class Cable:
    """A link from a host to a switch; a host may have several.

    Attributes:
        host: name of a planned host.
        switch: name of a switch, which exists because a cable leads there.
        addresses: with prefix length, IPv4 and IPv6.
        shape: what it does to packets.
        interface: its name in the host; `eth0`, `eth1`, … in the order of the plan if None.
    """

    host: str
    switch: str
    addresses: tuple[str, ...] = ()
    shape: LinkShape = LinkShape()
    interface: str | None = None


@dataclass(frozen=True)
class Route:
    """A route of a host: to a network or `default`, by way of an address."""

    host: str
    destination: str
    via: str


@dataclass(frozen=True)
class Plan:
    """A whole lab. Raises InvalidPlan when its parts don't fit.

    Attributes:
        hosts: in the order in which they are made.
        cables: likewise.
        routes: likewise.
        names: addresses by the name that all hosts know them by.
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
                # In another network there may be the same one.
                if (place := f"{cable.switch} {ipaddress.ip_interface(address).ip}") in taken:
                    raise InvalidPlan(f"{cable.host} and {taken[place]} have the same address {address}")
                taken[place] = cable.host

    @classmethod
    def star(cls, switch: str, addresses: Mapping[str, str], shape: LinkShape = LinkShape()) -> Plan:
        """Hosts on one switch, by name with their address and its prefix length."""
        cables = tuple(Cable(name, switch, (address,), shape) for name, address in addresses.items())
        return cls(tuple(map(HostPlan, addresses)), cables)

    @property
    def switches(self) -> tuple[str, ...]:
        """Names of the switches, in the order in which cables lead there."""
        return tuple(dict.fromkeys(cable.switch for cable in self.cables))

    def addresses_of(self, host: str) -> set[str]:
        """All addresses that a host is to have, with prefix length."""
        return {address for cable in self.cables if cable.host == host for address in cable.addresses}


def _check_address(address: str) -> None:
    try:
        interface = ipaddress.ip_interface(address)
    except ValueError as error:
        raise InvalidPlan(f"{address!r} is no address") from error
    if "/" not in address or str(interface) != address:
        raise InvalidPlan(f"{address!r} is not written as an address with its prefix length: {interface}")
