"""The kernel's own WireGuard, over netlink. Source: <linux/wireguard.h>, as pyroute2 speaks it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyroute2 import IPRoute, WireGuard
from pyroute2.netlink.exceptions import NetlinkError

from appliance.hub.errors import HubError, LinkError, reason
from appliance.hub.kernel import links, namespace
from appliance.hub.names import Places
from appliance.hub.wireguard import processes, uapi
from appliance.hub.wireguard.protocol import NOWHERE
from appliance.model.desired import Peer, PeerStatus


class Kernel:
    """The kernel's `Backend`: no process, and a socket in the namespace that the link was made in."""

    name = "kernel"

    def __init__(self) -> None:
        self.version = platform.release()

    def create(self, places: Places, private_key: str, port: int) -> None:
        try:
            with IPRoute() as netlink:
                netlink.link("add", ifname=places.link, kind="wireguard")
            with WireGuard() as wireguard:
                wireguard.set(places.link, private_key=private_key, listen_port=port)
            links.move(places)
        except (NetlinkError, OSError) as error:
            self.remove(places)
            raise LinkError(f"the kernel's WireGuard link {places.link} could not be made: {reason(error)}") from error

    def is_ready(self, places: Places, public_key: str, port: int) -> bool:
        try:
            device = _messages(places)[0]
        except HubError:
            return False
        found = _text(device.get("WGDEVICE_A_PUBLIC_KEY"))
        return found == public_key and device.get("WGDEVICE_A_LISTEN_PORT") == port

    def change(
        self, places: Places, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str] = NOWHERE
    ) -> None:
        try:
            with namespace.entered(places.namespace), WireGuard() as wireguard:
                for public_key in remove:
                    wireguard.set(places.link, peer={"public_key": public_key, "remove": True})
                for peer in add:
                    wireguard.set(
                        places.link,
                        peer={
                            "public_key": peer.public_key,
                            "replace_allowed_ips": True,
                            "allowed_ips": [f"{peer.address}/32"],
                            **_endpoint(endpoints.get(peer.public_key)),
                        },
                    )
        except (NetlinkError, OSError) as error:
            raise LinkError(f"the kernel refused a change to {places.link}: {reason(error)}") from error

    def start_handshakes(self, places: Places, endpoints: Mapping[str, str]) -> None:
        self._call(places, {key: _endpoint(where) for key, where in endpoints.items()})

    def call(self, places: Places) -> None:
        self._call(places, {status.public_key: {} for status in self.peers(places) if status.received_bytes})

    def _call(self, places: Places, peers: Mapping[str, Mapping[str, str | int]]) -> None:
        """A keepalive interval where there was none makes the link send at once."""
        try:
            with namespace.entered(places.namespace), WireGuard() as wireguard:
                for public_key, endpoint in peers.items():
                    peer = {"public_key": public_key, "update_only": True, **endpoint}
                    for keepalive in (1, 0):
                        wireguard.set(places.link, peer=peer | {"persistent_keepalive": keepalive})
        except (NetlinkError, OSError) as error:
            raise LinkError(f"the kernel refused to call the machines of {places.link}: {reason(error)}") from error

    def process(self, places: Places) -> int | None:
        del places
        return None

    def peers(self, places: Places) -> Sequence[PeerStatus]:
        return [_status(peer) for peer in _peers(_messages(places))]

    def allowed(self, places: Places) -> dict[str, tuple[str, ...]]:
        return {
            _text(peer.get("WGPEER_A_PUBLIC_KEY")): tuple(
                str(allowed["addr"]) for allowed in peer.get("WGPEER_A_ALLOWEDIPS") or ()
            )
            for peer in _peers(_messages(places))
        }

    def remove(self, places: Places) -> None:
        links.delete(places)
        if uapi.path_of(places.link).exists():
            # The hub ran with a userspace implementation before.
            processes.end(places.link)


def listen_port(places: Places) -> int | None:
    """The link's UDP port.

    Raises:
        LinkError: there is no such link of the kernel's.
    """
    port = _messages(places)[0].get("WGDEVICE_A_LISTEN_PORT")
    return int(port) if port else None


def _messages(places: Places) -> list[Any]:
    try:
        with namespace.entered(places.namespace), WireGuard() as wireguard:
            # Every message repeats the link; a long list of peers is spread over several.
            return list(wireguard.info(places.link))
    except (NetlinkError, OSError) as error:
        raise LinkError(f"the kernel's WireGuard link {places.link} can't be read: {reason(error)}") from error


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
        endpoint=f"{endpoint['addr']}:{endpoint['port']}" if endpoint.get("addr") else "",
    )
