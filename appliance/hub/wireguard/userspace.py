"""Common base of wireguard-go and boringtun: one process for each link, which outlives the hub's process.

The process runs in the hub's network namespace, where its UDP socket is; its TUN link is in the organization's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from appliance import privileges
from appliance.hub.errors import LinkError
from appliance.hub.kernel import links
from appliance.hub.names import KernelNames
from appliance.hub.wireguard import processes, uapi
from appliance.hub.wireguard.protocol import NOWHERE, Allowed
from appliance.model.desired import Peer, PeerStatus

_NOTHING: Mapping[str, int] = MappingProxyType({})
_DEADLINE = 5.0
MOST_FILES = 256
"""Descriptors of a process: it has a dozen, and one for each call of the hub."""
MOST_THREADS = 1024 + 4 * (os.cpu_count() or 1)
"""Threads of a process: Go has some for each processor, and one for each system call that takes long."""
_POLL = 0.001


@dataclass(frozen=True)
class Program:
    """Command line of an implementation that runs in the foreground."""

    name: str
    executable: str
    options: tuple[str, ...]


class Userspace(ABC):
    """`Backend` of a program that implements the cross-platform protocol."""

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
        self._processes = processes.Processes()

    def create(self, names: KernelNames, private_key: str, port: int) -> None:
        try:
            self._bring_up(names, private_key, port)
        except BaseException:
            self.remove(names)
            raise

    @abstractmethod
    def _bring_up(self, names: KernelNames, private_key: str, port: int) -> None:
        """Make a link in its namespace, with a process that has bound its UDP port in the calling thread's."""

    def _start(
        self,
        link: str,
        descriptors: Mapping[str, int] = _NOTHING,
        uid: int = 0,
        capabilities: str = "+net_admin",
        start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
    ) -> None:
        """Start the process.

        Args:
            descriptors: descriptors for the process, by the environment variable that names them.
            uid: its user; 0 is root without root's capabilities.
            capabilities: capabilities that it keeps, in the syntax of setpriv(1); "" for none.
            start: `subprocess.Popen`, or a function with the same arguments.
        """
        environment = {"PATH": os.environ.get("PATH", ""), "LOG_LEVEL": "error", "WG_LOG_LEVEL": "error"}
        self._children[link] = start(
            [*_bounds(uid), *_fewer_privileges(uid, capabilities), self._executable, *self._program.options, link],
            env=environment | {name: str(descriptor) for name, descriptor in descriptors.items()},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=tuple(descriptors.values()),
            start_new_session=True,
            # A control socket that it makes itself is nobody else's.
            umask=0o077,
        )
        processes.end_first(self._children[link].pid)

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

    def allowed(self, names: KernelNames, public_key: str, port: int) -> Allowed | None:
        try:
            device = uapi.get_device(names.link)
        except LinkError:
            return None
        is_ready = device.public_key == public_key and device.listen_port == port and links.is_in(names)
        return device.allowed if is_ready else None

    def change(
        self, names: KernelNames, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str] = NOWHERE
    ) -> None:
        lines: list[str] = []
        for public_key in remove:
            lines += uapi.removal_lines(public_key)
        for peer in add:
            lines += uapi.peer_lines(peer.public_key, f"{peer.address}/32", endpoints.get(peer.public_key))
        if lines:
            uapi.set_device(names.link, lines)

    def start_handshakes(self, names: KernelNames, endpoints: Mapping[str, str]) -> None:
        _call(names, endpoints)

    def call(self, names: KernelNames) -> None:
        # The link itself knows the endpoints best.
        _call(names, {status.public_key: None for status in self.peers(names) if status.received_bytes})

    def process(self, names: KernelNames) -> int | None:
        child = self._children.get(names.link)
        return child.pid if child is not None else self._processes.serving(names.link)

    def peers(self, names: KernelNames) -> Sequence[PeerStatus]:
        return uapi.get_device(names.link).peers

    def remove(self, names: KernelNames) -> None:
        self._end(names.link, had_link=links.delete(names))

    def _end(self, link: str, *, had_link: bool) -> None:
        # A process ends by itself when its link is gone, unless it was stopped; an adopted one is no child of ours.
        child = self._children.pop(link, None)
        if child is not None:
            try:
                child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(timeout=_DEADLINE)
            uapi.path_of(link).unlink(missing_ok=True)
        # Without a child, a link or a socket there is no process, and a search reads every process of the host.
        elif had_link or uapi.path_of(link).exists():
            self._processes.end(link)


def _call(names: KernelNames, endpoints: Mapping[str, str | None]) -> None:
    for keepalive in (1, 0):
        lines = [line for key, where in endpoints.items() for line in uapi.call_lines(key, keepalive, where)]
        if lines:
            uapi.set_device(names.link, lines)


def uid_of(port: int) -> int:
    """User id of the process with this UDP port in the host's network namespace.

    No two processes share a user, so that a compromised one can't read another (ptrace(2)).

    Returns:
        The port's own user id, or in a user namespace with few ids a shared one, or 0.
    """
    return next((uid for uid in (processes.FIRST_UID + port, processes.SHARED_UID) if privileges.is_mapped(uid)), 0)


def _bounds(uid: int) -> list[str]:
    """Command line that bounds what a process can hold of what all on the host share: ports and threads (prlimit(1)).

    Threads are counted for each user, so only a user of the process's own has a bound.
    """
    threads = [f"--nproc={MOST_THREADS}"] if uid >= processes.FIRST_UID else []
    return ["prlimit", f"--nofile={MOST_FILES}", *threads, "--"]


def _fewer_privileges(uid: int, capabilities: str) -> list[str]:
    """Command line that starts a process with only these capabilities (setpriv(1), capabilities(7))."""
    kept = ",".join(filter(None, ("-all", capabilities)))
    kinds = ("inh-caps", "ambient-caps", "bounding-set")
    command = ["setpriv", "--no-new-privs", *(f"--{kind}={kept}" for kind in kinds)]
    if uid:
        command += [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return [*command, "--"]


def _first_version(text: str) -> str:
    for word in text.replace(",", " ").split():
        if any(character.isdigit() for character in word):
            return word.removeprefix("v")
    return "unknown"
