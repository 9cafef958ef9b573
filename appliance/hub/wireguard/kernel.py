"""The kernel's own WireGuard, over netlink. Source: <linux/wireguard.h>, as implemented by pyroute2."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from appliance.hub.errors import HubError, LinkError, reason
from appliance.hub.kernel import links, namespace, pyroute
from appliance.hub.kernel.pyroute import NetlinkError
from appliance.hub.kernel.rtnetlink import RouteSocket
from appliance.hub.names import KernelNames
from appliance.hub.wireguard import uapi
from appliance.hub.wireguard.processes import Processes
from appliance.hub.wireguard.protocol import NOWHERE, Allowed
from appliance.model.desired import Peer, PeerStatus
from appliance.model.hosts import authority


class Kernel:
    """The kernel's `Backend`: no process, and a socket in the namespace that the link was made in."""

    name = "kernel"

    def __init__(self) -> None:
        self.version = platform.release()
        self._processes = Processes()

    def create(self, names: KernelNames, private_key: str, port: int) -> None:
        try:
            with RouteSocket() as netlink:
                netlink.add_link(names.link, "wireguard")
            with pyroute.wireguard() as wireguard:
                wireguard.set(names.link, private_key=private_key, listen_port=port)
            links.move(names)
        except (NetlinkError, OSError) as error:
            self.remove(names)
            raise LinkError(f"the kernel's WireGuard link {names.link} could not be made: {reason(error)}") from error

    def allowed(self, names: KernelNames, public_key: str, port: int) -> Allowed | None:
        try:
            messages = _messages(names)
        except HubError:
            return None
        device = messages[0]
        if _text(device.get("WGDEVICE_A_PUBLIC_KEY")) != public_key or device.get("WGDEVICE_A_LISTEN_PORT") != port:
            return None
        return {
            _text(peer.get("WGPEER_A_PUBLIC_KEY")): tuple(
                str(allowed["addr"]) for allowed in peer.get("WGPEER_A_ALLOWEDIPS") or ()
            )
            for peer in _peers(messages)
        }

    def change(
        self, names: KernelNames, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str] = NOWHERE
    ) -> None:
        try:
            with namespace.entered(names.namespace), pyroute.wireguard() as wireguard:
                for public_key in remove:
                    wireguard.set(names.link, peer={"public_key": public_key, "remove": True})
                for peer in add:
                    wireguard.set(
                        names.link,
                        peer={
                            "public_key": peer.public_key,
                            "replace_allowed_ips": True,
                            "allowed_ips": [f"{peer.address}/32"],
                            **_endpoint(endpoints.get(peer.public_key)),
                        },
                    )
        except (NetlinkError, OSError) as error:
            raise LinkError(f"the kernel refused a change to {names.link}: {reason(error)}") from error

    def start_handshakes(self, names: KernelNames, endpoints: Mapping[str, str]) -> None:
        self._call(names, {key: _endpoint(where) for key, where in endpoints.items()})

    def call(self, names: KernelNames) -> None:
        self._call(names, {status.public_key: {} for status in self.peers(names) if status.received_bytes})

    def _call(self, names: KernelNames, peers: Mapping[str, Mapping[str, str | int]]) -> None:
        """Make the link send at once, by setting a keepalive interval and clearing it again."""
        try:
            with namespace.entered(names.namespace), pyroute.wireguard() as wireguard:
                for public_key, endpoint in peers.items():
                    peer = {"public_key": public_key, "update_only": True, **endpoint}
                    for keepalive in (1, 0):
                        wireguard.set(names.link, peer=peer | {"persistent_keepalive": keepalive})
        except (NetlinkError, OSError) as error:
            raise LinkError(f"the kernel refused to call the machines of {names.link}: {reason(error)}") from error

    def process(self, names: KernelNames) -> int | None:
        del names
        return None

    def peers(self, names: KernelNames) -> Sequence[PeerStatus]:
        return [_status(peer) for peer in _peers(_messages(names))]

    def remove(self, names: KernelNames) -> None:
        links.delete(names)
        if uapi.path_of(names.link).exists():
            # The hub ran with a userspace implementation before.
            self._processes.end(names.link)


def listen_port(names: KernelNames) -> int | None:
    """Read the link's UDP port.

    Raises:
        LinkError: the kernel has no such link.
    """
    port = _messages(names)[0].get("WGDEVICE_A_LISTEN_PORT")
    return int(port) if port else None


def _messages(names: KernelNames) -> list[Any]:
    try:
        with namespace.entered(names.namespace), pyroute.wireguard() as wireguard:
            # Every message repeats the link; a long list of peers is spread over several.
            return list(wireguard.info(names.link))
    except (NetlinkError, OSError) as error:
        raise LinkError(f"the kernel's WireGuard link {names.link} can't be read: {reason(error)}") from error


def _peers(messages: Iterable[Any]) -> list[Any]:
    return [peer for message in messages for peer in message.get("WGDEVICE_A_PEERS") or ()]


def _endpoint(text: str | None) -> dict[str, str | int]:
    if text is None:
        return {}
    host, _, port = text.rpartition(":")
    return {"endpoint_addr": host.strip("[]"), "endpoint_port": int(port)}


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _status(peer: Any) -> PeerStatus:
    endpoint = peer.get("WGPEER_A_ENDPOINT") or {}
    handshake = peer.get("WGPEER_A_LAST_HANDSHAKE_TIME") or {}
    return PeerStatus(
        public_key=_text(peer.get("WGPEER_A_PUBLIC_KEY")),
        last_handshake=int(handshake.get("tv_sec", 0)),
        received_bytes=int(peer.get("WGPEER_A_RX_BYTES") or 0),
        sent_bytes=int(peer.get("WGPEER_A_TX_BYTES") or 0),
        endpoint=authority(endpoint["addr"], endpoint["port"]) if endpoint.get("addr") else "",
    )
