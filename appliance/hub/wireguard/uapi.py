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
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from appliance.hub.errors import LinkError
from appliance.model.desired import PeerStatus
from appliance.model.keys import KEY_BYTES, public_key_of
from appliance.model.port_ranges import HIGHEST_PORT

FOLDER = Path("/var/run/wireguard")
# A process that was stopped must not keep others waiting; a healthy one answers within a millisecond.
_TIMEOUT = 2.0
# As many machines as the hub takes of an organization (`state_checks`), of 430 bytes each.
_LONGEST_ANSWER = 2**25
_LONGEST_ENDPOINT = 100
_KEPT = frozenset(
    {
        "endpoint",
        "last_handshake_time_sec",
        "listen_port",
        "own_public_key",
        "private_key",
        "rx_bytes",
        "tx_bytes",
    }
)


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
    raw = bytes.fromhex(key)
    if len(raw) != KEY_BYTES:
        raise ValueError("no key")
    return base64.b64encode(raw).decode()


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
    with _sense_expected(link):
        for key, value in _ask(link, "\n".join(["set=1", *lines])):
            if key == "errno" and value != "0":
                raise LinkError(f"WireGuard of {link} refused a change: {_words(value)}")


def get_device(link: str) -> Device:
    """Read the link's state.

    Raises:
        LinkError: no process listens, or it answered with an error or without sense.
    """
    with _sense_expected(link):
        return _device(link, _ask(link, "get=1"))


@contextmanager
def _sense_expected(link: str) -> Iterator[None]:
    """Report an answer that can't be parsed. The process may have been taken over."""
    try:
        yield
    except (OSError, ValueError, LookupError) as error:
        raise LinkError(f"an answer of {link}'s WireGuard makes no sense: {type(error).__name__}") from error


def _device(link: str, answer: Iterable[tuple[str, str]]) -> Device:
    own: dict[str, str] = {}
    peers: list[dict[str, str]] = []
    allowed: dict[str, list[str]] = {}
    for key, value in answer:
        if key == "errno":
            if value != "0":
                raise LinkError(f"WireGuard of {link} did not answer: {_words(value)}")
        elif key == "public_key":
            peers.append({key: _base64(value)})
            allowed[peers[-1][key]] = []
        elif key == "allowed_ip":
            allowed[peers[-1]["public_key"]].append(_range(value))
        elif key in _KEPT:
            (peers[-1] if peers else own)[key] = value
    return Device(
        listen_port=_number(own.get("listen_port", "0")),
        public_key=_public_key(own),
        peers=tuple(
            PeerStatus(
                public_key=peer["public_key"],
                last_handshake=_last_handshake(peer, is_age="own_public_key" in own),
                received_bytes=_number(peer.get("rx_bytes", "0")),
                sent_bytes=_number(peer.get("tx_bytes", "0")),
                endpoint=_endpoint(peer.get("endpoint", "")),
            )
            for peer in peers
        ),
        allowed={key: tuple(ranges) for key, ranges in allowed.items()},
    )


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError("no number of this protocol")
    return number


def _range(text: str) -> str:
    """Check a range. There are thousands in an answer, for which `ipaddress` would take long."""
    address, _, bits = text.partition("/")
    family, most = (socket.AF_INET6, 128) if ":" in address else (socket.AF_INET, 32)
    socket.inet_pton(family, address)
    if not (bits.isascii() and bits.isdigit() and int(bits) <= most):
        raise ValueError("no range")
    return text


def _endpoint(text: str) -> str:
    """Return what is an endpoint, and "" otherwise: the front door takes those of all organizations at once."""
    host, _, port = text.rpartition(":")
    is_v6 = host.startswith("[") and host.endswith("]")
    try:
        socket.inet_pton(*((socket.AF_INET6, host[1:-1].partition("%")[0]) if is_v6 else (socket.AF_INET, host)))
    except (OSError, ValueError):
        return ""
    is_port = port.isascii() and port.isdigit() and int(port[:6]) <= HIGHEST_PORT
    return text if is_port and len(text) <= _LONGEST_ENDPOINT else ""


def _public_key(own: Mapping[str, str]) -> str:
    if "own_public_key" in own:
        return _base64(own["own_public_key"])
    return public_key_of(_base64(own["private_key"])) if own.get("private_key") else ""


def _last_handshake(peer: Mapping[str, str], *, is_age: bool) -> int:
    if "last_handshake_time_sec" not in peer:
        return 0
    reported = _number(peer["last_handshake_time_sec"])
    return max(0, int(time.time()) - reported) if is_age else reported


def _words(number: str) -> str:
    code = abs(int(number))
    return os.strerror(code) if code in errno.errorcode else f"error {number}"


def _ask(link: str, request: str) -> Iterator[tuple[str, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(str(path_of(link)))
            connection.sendall(f"{request}\n\n".encode())
            answer = _answer(connection)
        except OSError as error:
            raise LinkError(f"the userspace WireGuard of {link} can't be reached: {error}") from error
    # One line after the other: a list of very short ones would be many times as large.
    for line in answer:
        key, equals, value = line.decode().rstrip("\n").partition("=")
        if equals:
            yield key, value


def _answer(connection: socket.socket) -> BytesIO:
    """Receive an answer, which ends with an empty line; the process keeps the connection open for more.

    Raises:
        OSError: it is too long, takes too long, or ended before its end.
    """
    deadline = time.monotonic() + _TIMEOUT
    answer = bytearray()
    while not answer.endswith(b"\n\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(left)
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("it ended its answer early")
        answer += chunk
        if len(answer) > _LONGEST_ANSWER:
            raise ConnectionError("its answer is too long")
    return BytesIO(answer)
