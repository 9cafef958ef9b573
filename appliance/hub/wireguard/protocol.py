"""Interface of WireGuard implementations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from appliance.hub.names import KernelNames
from appliance.model.desired import Peer, PeerStatus

Allowed = Mapping[str, tuple[str, ...]]
"""Allowed source ranges of each peer, by its public key."""

NOWHERE: Mapping[str, str] = MappingProxyType({})
"""No endpoints, as of machines that were never heard from."""


class Backend(Protocol):
    """Makes links whose UDP socket stays in the hub's own network namespace while the link lives in another.

    Peers are changed one by one; the sessions of the others never notice. Every method raises `errors.LinkError`.
    """

    name: str
    version: str

    def create(self, names: KernelNames, private_key: str, port: int) -> None:
        """Create a link in its namespace; its UDP port is bound now or when it goes up."""

    def allowed(self, names: KernelNames, public_key: str, port: int) -> Allowed | None:
        """Read the ranges of the link's peers; None unless it has this key pair and port, so that it can be adopted."""

    def change(
        self, names: KernelNames, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str] = NOWHERE
    ) -> None:
        """Add or readdress peers, and remove others by public key; in force when it returns.

        Args:
            endpoints: last endpoints by public key, to which added peers can be sent packets at once.
        """

    def start_handshakes(self, names: KernelNames, endpoints: Mapping[str, str]) -> None:
        """Set the last endpoints of peers, by public key, and send each a handshake at once.

        Otherwise a rebuilt link is silent until its machines notice by themselves after up to two minutes.
        """

    def call(self, names: KernelNames) -> None:
        """Send a packet to every peer that this link has heard from, so that it learns the right port."""

    def process(self, names: KernelNames) -> int | None:
        """Id of the process that serves the link; None for the kernel's, or without a link."""

    def peers(self, names: KernelNames) -> Sequence[PeerStatus]:
        """Read the status of each peer."""

    def remove(self, names: KernelNames) -> None:
        """Remove the link with its process and socket, of any implementation, if there is one."""
