"""WireGuard's cross-platform userspace protocol, for wireguard-go and boringtun on a unix socket.

boringtun reports its public key (`own_public_key`) instead of the private one, and the age of a handshake instead of
its time.

Source: https://www.wireguard.com/xplatform/, boringtun 0.7 `device/api.rs`
"""

from __future__ import annotations

import base64
import errno
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.hub.errors import LinkError
from appliance.model.desired import PeerStatus
from appliance.model.keys import public_key_of

FOLDER = Path("/var/run/wireguard")
# A process that was stopped must not keep others waiting; a healthy one answers within a millisecond.
_TIMEOUT = 2.0


@dataclass(frozen=True)
class Device:
    """State of a userspace WireGuard's link.

    Attributes:
        listen_port: 0 while its UDP socket is not bound.
        public_key: base64, "" if it has no key pair yet.
        allowed: allowed source ranges of each peer, by public key.
    """

    listen_port: int
    public_key: str
    peers: tuple[PeerStatus, ...]
    allowed: dict[str, tuple[str, ...]]


def path_of(link: str) -> Path:
    """Path of a link's socket; one folder serves all network namespaces of a mount namespace."""
    return FOLDER / f"{link}.sock"


def sockets() -> dict[str, Path]:
    """Existing sockets by link, with or without a listener."""
    return {path.stem: path for path in FOLDER.glob("*.sock")}


def _hex(key: str) -> str:
    return base64.b64decode(key).hex()


def _base64(key: str) -> str:
    return base64.b64encode(bytes.fromhex(key)).decode()


def peer_lines(public_key: str, allowed: str, endpoint: str | None = None) -> Iterator[str]:
    """Add a peer or change its settings; other peers stay as they are."""
    yield f"public_key={_hex(public_key)}"
    if endpoint is not None:
        # Before the range, which brings packets: one for a peer that is nowhere would block its handshake for 5 s.
        yield f"endpoint={endpoint}"
    yield "replace_allowed_ips=true"
    yield f"allowed_ip={allowed}"


def call_lines(public_key: str, keepalive: int, endpoint: str | None = None) -> Iterator[str]:
    """Update a peer's endpoint and keepalive interval (seconds); a new interval makes the link send at once."""
    yield f"public_key={_hex(public_key)}"
    yield "update_only=true"
    if endpoint is not None:
        yield f"endpoint={endpoint}"
    yield f"persistent_keepalive_interval={keepalive}"


def removal_lines(public_key: str) -> Iterator[str]:
    """Remove a peer and end its sessions."""
    yield f"public_key={_hex(public_key)}"
    yield "remove=true"


def device_lines(private_key: str, listen_port: int) -> Iterator[str]:
    """Set the link's own key and UDP port."""
    yield f"private_key={_hex(private_key)}"
    yield f"listen_port={listen_port}"


def set_device(link: str, lines: Iterable[str]) -> None:
    """Change the link; the change is in force when this returns.

    Raises:
        LinkError: no process listens, or it refused.
    """
    for key, value in _ask(link, "\n".join(["set=1", *lines])):
        if key == "errno" and value != "0":
            raise LinkError(f"WireGuard of {link} refused a change: {_words(value)}")


def get_device(link: str) -> Device:
    """Read the link's state.

    Raises:
        LinkError: no process listens, or it answered with an error.
    """
    own: dict[str, str] = {}
    peers: list[dict[str, str]] = []
    allowed: dict[str, list[str]] = {}
    for key, value in _ask(link, "get=1"):
        if key == "errno":
            if value != "0":
                raise LinkError(f"WireGuard of {link} did not answer: {_words(value)}")
        elif key == "public_key":
            peers.append({key: _base64(value)})
            allowed[peers[-1][key]] = []
        elif key == "allowed_ip":
            allowed[peers[-1]["public_key"]].append(value)
        elif peers:
            peers[-1][key] = value
        else:
            own[key] = value
    return Device(
        listen_port=int(own.get("listen_port", "0")),
        public_key=_public_key(own),
        peers=tuple(
            PeerStatus(
                public_key=peer["public_key"],
                last_handshake=_last_handshake(peer, is_age="own_public_key" in own),
                received_bytes=int(peer.get("rx_bytes", "0")),
                sent_bytes=int(peer.get("tx_bytes", "0")),
                endpoint=peer.get("endpoint", ""),
            )
            for peer in peers
        ),
        allowed={key: tuple(ranges) for key, ranges in allowed.items()},
    )


def _public_key(own: Mapping[str, str]) -> str:
    if "own_public_key" in own:
        return _base64(own["own_public_key"])
    return public_key_of(_base64(own["private_key"])) if own.get("private_key") else ""


def _last_handshake(peer: Mapping[str, str], *, is_age: bool) -> int:
    reported = peer.get("last_handshake_time_sec")
    if reported is None:
        return 0
    return int(time.time()) - int(reported) if is_age else int(reported)


def _words(number: str) -> str:
    code = abs(int(number))
    return os.strerror(code) if code in errno.errorcode else f"error {number}"


def _ask(link: str, request: str) -> Iterator[tuple[str, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(str(path_of(link)))
            connection.sendall(f"{request}\n\n".encode())
            answer = b""
            # An answer ends with an empty line; the process keeps the connection open for more.
            while not answer.endswith(b"\n\n"):
                chunk = connection.recv(65536)
                if not chunk:
                    break
                answer += chunk
        except OSError as error:
            raise LinkError(f"the userspace WireGuard of {link} can't be reached: {error}") from error
    for line in answer.decode().splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key, value
