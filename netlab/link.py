"""A cable between a host and a switch."""

from __future__ import annotations

from netlab.plan import LinkShape
from netlab.rtnetlink import Netlink
from netlab.switch import Switch

#: Seconds for the kernel to notice that both ends of a cable are up.
CARRIER_TIMEOUT_S = 10.0


class Link:
    """A cable that is plugged in. Made by `Lab.connect`.

    Attributes:
        owner: name of the host, `here` for the caller's own network namespace.
        switch: the other end.
        interface: the link's name at the owner's end.
        addresses: with prefix length, at the owner's end.
        shape: as asked for.
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
        """Plugs it in again; it carries packets when this returns."""
        self._fabric.set_up(self.port)
        self._fabric.wait_until_running(self.port, CARRIER_TIMEOUT_S)
