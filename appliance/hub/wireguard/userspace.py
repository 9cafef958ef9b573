"""wireguard-go and boringtun: one process for each link, which outlives the hub's process.

The process starts in the hub's network namespace, where its UDP socket stays; then the TUN link moves into the
organization's. The hub makes the control socket itself and hands it over, so there is no moment in which the process
runs and can't be asked.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance import privileges
from appliance.hub import links, uapi
from appliance.hub.errors import LinkError
from appliance.hub.names import Places
from appliance.hub.wireguard import processes
from appliance.hub.wireguard.protocol import NOWHERE
from appliance.model.desired import Peer, PeerStatus

_TUN = Path("/dev/net/tun")
# A number that distributions give to nobody, and not the web process's.
_UID = 64218
_DEADLINE = 5.0
_POLL = 0.001


@dataclass(frozen=True)
class Program:
    """How to start an implementation in the foreground."""

    name: str
    executable: str
    options: tuple[str, ...]
    hands_socket_over: bool


WIREGUARD_GO = Program("wireguard-go", processes.WIREGUARD_GO, ("--foreground",), hands_socket_over=True)
BORINGTUN = Program(
    "boringtun",
    processes.BORINGTUN,
    (
        "--foreground",
        # It makes its socket itself and would give up root, and with it the right to it.
        "--disable-drop-privileges",
        # A socket for each peer, on the same port, gets packets of others between its bind and its connect.
        "--disable-connected-udp",
        # A thread that panics must not leave the others behind to hold the link; and packets stay in order.
        "--threads=1",
    ),
    hands_socket_over=False,
)


class Userspace:
    """The `Backend` of a program that speaks the cross-platform protocol as it is written."""

    def __init__(self, program: Program) -> None:
        executable = shutil.which(program.executable)
        if executable is None:
            raise LinkError(f"{program.executable} is not installed")
        self.name = program.name
        self._program = program
        self._executable = executable
        shown = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=10, check=False)
        self.version = _first_version(shown.stdout)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def create(self, places: Places, private_key: str, port: int) -> None:
        self._start(places.link)
        try:
            self._wait_until(places.link, lambda _: True)
            uapi.set_device(places.link, uapi.device_lines(private_key, port))
            # The process hears of its link going up only in the namespace that it was started in.
            links.set_up(places.link)
            self._wait_until(
                places.link, lambda device: device.listen_port == port, f"its UDP port {port} can't be bound"
            )
            links.move(places)
        except BaseException:
            self.remove(places)
            raise

    def _start(self, link: str) -> None:
        uapi.FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        path = uapi.path_of(link)
        with suppress(FileNotFoundError):
            path.unlink()
        environment = {"PATH": os.environ.get("PATH", ""), "LOG_LEVEL": "error", "WG_LOG_LEVEL": "error"}
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            if self._program.hands_socket_over:
                listener.bind(str(path))
                # To watch the file the process has to read it; to connect, as only the hub may, takes writing.
                path.chmod(0o640)
                if privileges.is_mapped(_UID):
                    os.chown(path, 0, _UID)
                listener.listen()
                environment["WG_UAPI_FD"] = str(listener.fileno())
            self._children[link] = subprocess.Popen(
                [*_fewer_privileges(self._program), self._executable, *self._program.options, link],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()] if self._program.hands_socket_over else [],
                start_new_session=True,
            )

    def _wait_until(
        self, link: str, condition: Callable[[uapi.Device], bool], otherwise: str = "it does not answer"
    ) -> None:
        deadline = time.monotonic() + _DEADLINE
        while True:
            try:
                if condition(uapi.get_device(link)):
                    return
            except LinkError:
                if self._children[link].poll() is not None:
                    raise LinkError(f"{self.name} for {link} ended at once") from None
            if time.monotonic() > deadline:
                raise LinkError(f"{self.name} for {link}: {otherwise}")
            time.sleep(_POLL)

    def is_ready(self, places: Places, public_key: str, port: int) -> bool:
        try:
            device = uapi.get_device(places.link)
        except LinkError:
            return False
        return device.public_key == public_key and device.listen_port == port and links.is_in(places)

    def change(
        self, places: Places, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str] = NOWHERE
    ) -> None:
        lines: list[str] = []
        for public_key in remove:
            lines += uapi.removal_lines(public_key)
        for peer in add:
            lines += uapi.peer_lines(peer.public_key, f"{peer.address}/32", endpoints.get(peer.public_key))
        if lines:
            uapi.set_device(places.link, lines)

    def start_handshakes(self, places: Places, endpoints: Mapping[str, str]) -> None:
        _call(places, endpoints)

    def call(self, places: Places) -> None:
        # Where it is, the link itself knows best.
        _call(places, {status.public_key: None for status in self.peers(places) if status.received_bytes})

    def process(self, places: Places) -> int | None:
        child = self._children.get(places.link)
        return child.pid if child is not None else processes.serving(places.link)

    def peers(self, places: Places) -> Sequence[PeerStatus]:
        return uapi.get_device(places.link).peers

    def allowed(self, places: Places) -> dict[str, tuple[str, ...]]:
        return uapi.get_device(places.link).allowed

    def remove(self, places: Places) -> None:
        # A process ends by itself when its link is gone; an adopted one is no child of ours to wait for.
        had_link = links.delete(places)
        child = self._children.pop(places.link, None)
        if child is not None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0.2)
        # Without any of these there is none, and to look for one takes a look at every process of the host.
        if had_link or child is not None or uapi.path_of(places.link).exists():
            processes.end(places.link)
        if child is not None:
            child.wait(timeout=_DEADLINE)


def _call(places: Places, endpoints: Mapping[str, str | None]) -> None:
    for keepalive in (1, 0):
        lines = [line for key, where in endpoints.items() for line in uapi.call_lines(key, keepalive, where)]
        if lines:
            uapi.set_device(places.link, lines)


def _fewer_privileges(program: Program) -> list[str]:
    """What starts a process that may set its link up and nothing else: setpriv(1), then capabilities(7).

    It stays root, without root's capabilities, where the TUN device is root's alone.
    """
    kinds = ("inh-caps", "ambient-caps", "bounding-set")
    command = ["setpriv", "--no-new-privs", *(f"--{kind}=-all,+net_admin" for kind in kinds)]
    if program.hands_socket_over and _tun_is_everybody_s() and privileges.is_mapped(_UID):
        command += [f"--reuid={_UID}", f"--regid={_UID}", "--clear-groups"]
    return [*command, "--"]


def _tun_is_everybody_s() -> bool:
    return _TUN.exists() and _TUN.stat().st_mode & 0o006 == 0o006


def _first_version(text: str) -> str:
    for word in text.replace(",", " ").split():
        if any(character.isdigit() for character in word):
            return word.removeprefix("v")
    return "unknown"
