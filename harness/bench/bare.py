"""The baseline: a hub as anyone sets one up in ten minutes, with plain wg-quick, forwarding on, and no rules."""

from __future__ import annotations

from dataclasses import dataclass

from netlab import Host, genkey, pubkey

NETWORK = "10.200.0"
_PORT = 51999


@dataclass(frozen=True)
class BareHub:
    """A running bare hub; its machines' addresses are in the order in which they were given."""

    addresses: tuple[str, ...]


def connect(hub: Host, hub_address: str, machines: list[Host]) -> BareHub:
    """Makes a host such a hub and connects machines to it, beside whatever other tunnels they have.

    Args:
        hub: a router of the lab.
        hub_address: its address on the underlay.
    """
    hub_key, keys = genkey(), [genkey() for _ in machines]
    addresses = tuple(f"{NETWORK}.{number}" for number in range(2, len(machines) + 2))
    peers = [
        f"[Peer]\nPublicKey = {pubkey(key)}\nAllowedIPs = {ip}/32" for key, ip in zip(keys, addresses, strict=True)
    ]
    interface = f"[Interface]\nPrivateKey = {hub_key}\nAddress = {NETWORK}.1/16\nMTU = 1420\nListenPort = {_PORT}"
    hub.wg_quick("\n".join([interface, *peers, ""]), "bare.conf")
    for host, key, address in zip(machines, keys, addresses, strict=True):
        host.wg_quick(
            f"[Interface]\nPrivateKey = {key}\nAddress = {address}/16\nMTU = 1420\n"
            f"[Peer]\nPublicKey = {pubkey(hub_key)}\nEndpoint = {hub_address}:{_PORT}\n"
            f"AllowedIPs = {NETWORK}.0/16\nPersistentKeepalive = 25\n",
            "bare.conf",
        ).wait_for_handshake(10.0)
    return BareHub(addresses)
