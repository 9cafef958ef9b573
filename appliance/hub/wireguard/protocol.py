"""What the data plane asks of a WireGuard implementation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from appliance.hub.names import KernelNames
from appliance.model.desired import Peer, PeerStatus

NOWHERE: Mapping[str, str] = MappingProxyType({})
"""Endpoints of machines that were never heard from."""


class Backend(Protocol):
    """Makes links whose UDP socket stays in the hub's own network namespace while the link lives in another.

    Peers are changed one by one; the sessions of the others never notice. Every method raises `errors.LinkError`.
    """

    name: str
    version: str

    def create(self, names: KernelNames, private_key: str, port: int) -> None:
        """A new link in its namespace, down, with its UDP port bound or about to be when it goes up."""

    def is_ready(self, names: KernelNames, public_key: str, port: int) -> bool:
        """Whether the link is there and has this key pair and port, so that it can be adopted as it is."""

    def change(
        self, names: KernelNames, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str] = NOWHERE
    ) -> None:
        """Adds or readdresses peers, and removes others by public key; in force when it returns.

        Those that are added and were heard from before, by ``endpoints``, can be sent packets to at once.
        """

    def start_handshakes(self, names: KernelNames, endpoints: Mapping[str, str]) -> None:
        """Tells peers, by public key, where they were heard from last, and sends each a handshake at once.

        A rebuilt link is silent until its machines notice by themselves, which takes WireGuard's timers two minutes.
        """

    def call(self, names: KernelNames) -> None:
        """Sends something to every peer that this link has heard from: it learns which port it is to answer to."""

    def process(self, names: KernelNames) -> int | None:
        """The id of the process that serves the link; None where the kernel does, or nothing."""

    def peers(self, names: KernelNames) -> Sequence[PeerStatus]:
        """What the link knows of each of its peers."""

    def allowed(self, names: KernelNames) -> dict[str, tuple[str, ...]]:
        """For each peer's public key the ranges that it may send from."""

    def remove(self, names: KernelNames) -> None:
        """No link, no process, no socket of it is left, of whichever implementation. None there is fine."""
