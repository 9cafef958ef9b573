"""Cables between hosts and switches."""

from __future__ import annotations

from dataclasses import dataclass

from netlab.plan import LinkShape
from netlab.rtnetlink import Netlink
from netlab.switch import Switch


@dataclass(frozen=True, eq=False, repr=False)
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

    owner: str
    switch: Switch
    interface: str
    port: str
    addresses: tuple[str, ...]
    shape: LinkShape
    _fabric: Netlink

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
        self._fabric.wait_until_running(self.port)
