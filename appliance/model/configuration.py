"""Configuration file of a machine: plain wg-quick(8), in one exact format."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

MTU = 1420
"""Bytes: 1500 less 80 for WireGuard over IPv6, the largest that fits every underlay of Ethernet size."""

KEEPALIVE = 25
"""Seconds: shorter than the UDP timeouts of common NATs."""

PRIVATE_KEY_PLACEHOLDER = "<the private key that belongs to your public key>"


@dataclass(frozen=True)
class Configuration:
    """Content of a machine's configuration file.

    Attributes:
        private_key: base64; None if the machine keeps its own, and the text has a placeholder.
        endpoint: ``host:port`` of the hub.
    """

    machine: str
    organization: str
    private_key: str | None = field(repr=False)
    address: IPv4Address
    network: IPv4Network
    hub_public_key: str
    endpoint: str

    def text(self) -> str:
        """The whole file."""
        return (
            f'# WireGuard config for machine "{self.machine}"\n'
            "[Interface]\n"
            f"PrivateKey          = {self.private_key or PRIVATE_KEY_PLACEHOLDER}\n"
            f"Address             = {self.address}/{self.network.prefixlen}\n"
            f"MTU                 = {MTU}\n"
            "\n"
            "[Peer]\n"
            f'# MeshWG hub for "{self.organization}"\n'
            f"PublicKey           = {self.hub_public_key}\n"
            f"Endpoint            = {self.endpoint}\n"
            f"AllowedIPs          = {self.network}\n"
            f"PersistentKeepalive = {KEEPALIVE}\n"
        )

    def without_comments(self) -> str:
        """The file without comments, for a QR code whose size does not depend on the length of names."""
        return "".join(line for line in self.text().splitlines(keepends=True) if not line.startswith("#"))
