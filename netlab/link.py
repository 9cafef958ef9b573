"""Cables between hosts and switches."""

from __future__ import annotations

from netlab.plan import LinkShape
from netlab.rtnetlink import Netlink
from netlab.switch import Switch

#: Seconds for the kernel to notice that both ends of a cable are up.
CARRIER_TIMEOUT_S = 10.0


class Link:
    """A cable that is plugged in. Made by `Lab.connect`.

    Attributes:
        owner: name of the host at one end; `here` is the caller's own network namespace.
        switch: the switch at the other end.
        interface: name of the link at the owner's end.
        port: name of the link at the switch's end, in the namespace that has all switches.
        addresses: addresses with prefix length, at the owner's end.
        shape: the shape that was asked for.
    """

    def __init__(
        self,
        owner: str,
        switch: Switch,
        interface: str,
        port: str,
        addresses: tuple[str, ...],
        shape: LinkShape,
        fabric: Netlink,
    ) -> None:
        """Describes a cable that is plugged in already; see the attributes.

        Args:
            owner: as in the attributes.
            switch: as in the attributes.
            interface: as in the attributes.
            port: as in the attributes.
            addresses: as in the attributes.
            shape: as in the attributes.
            fabric: links of the namespace that has all switches.
        """
        self.owner = owner
        self.switch = switch
        self.interface = interface
        self.port = port
        self.addresses = addresses
        self.shape = shape
        self._fabric = fabric

    def __repr__(self) -> str:
        return f"<Link {self.owner} {self.interface} {' '.join(self.addresses)} to {self.switch.name}>"

    def down(self) -> None:
        """Pulls the cable at the switch: the host keeps its addresses and routes and loses its carrier."""
        self._fabric.set_up(self.port, up=False)

    def up(self) -> None:
        """Plugs the cable in again, and returns once it carries packets.

        Raises:
            NothingArrived: it does not within 10 s.
        """
        self._fabric.set_up(self.port)
        self._fabric.wait_until_running(self.port, CARRIER_TIMEOUT_S)
