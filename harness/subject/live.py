"""A service that somebody else runs, reached from a lab as customers reach it: its pages and API, and its UDP port.

Nothing of its host can be seen or changed, unless there is a shell on it. What its organizations are told to be the hub
is a host of the lab, which passes datagrams on to the real one.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from harness.client.api import Api
from harness.judging.verdicts import Inconclusive
from harness.subject import addresses, outward
from harness.subject.outward import Outward
from harness.subject.relay import DatagramRelay, StreamRelay
from netlab import Host, Lab
from netlab.sshlogin import Login

CONTROL = "systemctl {} meshwg"
"""How the service's unit is stopped and started, where it is installed as `docs/operating.md` tells."""
_HERE = "127.0.0.1"
_VARIABLE = "MESHWG_LIVE"


@dataclass(frozen=True)
class Ssh:
    """As it is asked for: see `Shell`."""

    destination: str
    key: Path | None = None
    known_hosts: Path = Path("~/.ssh/known_hosts")
    control: str = CONTROL


@dataclass(frozen=True)
class Shell:
    """The way to a shell on the service's host.

    Attributes:
        destination: ``USER@HOST[:PORT]``; whoever is not root there has sudo.
        known_hosts, key: open files: keys that hosts may have, and the private key to log in with. Where there is none
            of the latter, those are tried that the user has.
        control: the command that stops or starts the service there, with ``{}`` for the verb.
    """

    destination: str
    known_hosts: int
    key: int | None = None
    control: str = CONTROL

    @property
    def connection(self) -> tuple[socket.SocketKind, str, int]:
        """Socket type, address and port for `Outward.connect`."""
        return socket.SOCK_STREAM, self.login.address, self.login.port

    @property
    def login(self) -> Login:
        """Log-in of the destination, in its parts."""
        user, _, rest = self.destination.rpartition("@")
        host, port = addresses.parse(rest)
        return Login(
            host,
            user,
            port or 22,
            key_file=None if self.key is None else Path(f"/dev/fd/{self.key}"),
            known_hosts=Path(f"/dev/fd/{self.known_hosts}"),
            elevate=() if user == "root" else ("sudo", "-n"),
        )


@dataclass(frozen=True)
class Live:
    """Which service it is, and what leads to it.

    Attributes:
        url: ``https://HOST[:PORT]``.
        outward: the way to it out of the sandbox.
        authority: open file with what its certificate is checked against; None takes the system's authorities.
        ssh: the way to its host, if that may be looked at and damaged.
    """

    url: str
    outward: Outward
    authority: int | None = None
    ssh: Shell | None = None

    @property
    def certificate(self) -> Path | None:
        """What its certificate is checked against."""
        return None if self.authority is None else Path(f"/dev/fd/{self.authority}")

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Open files that another process needs to work with it."""
        shell = () if self.ssh is None else (self.ssh.known_hosts, self.ssh.key)
        return tuple(each for each in (self.outward.descriptor, self.authority, *shell) if each is not None)

    def to_text(self) -> str:
        """What another process that has the same open files makes the same of."""
        return json.dumps({**asdict(self), "outward": self.outward.descriptor})

    @staticmethod
    def from_text(text: str) -> Live:
        """The other way round."""
        facts = json.loads(text)
        shell = None if facts["ssh"] is None else Shell(**facts["ssh"])
        return Live(facts["url"], Outward(facts["outward"]), facts["authority"], shell)


def export(url: str, authority: Path | None, ssh: Ssh | None) -> None:
    """Lets the program find the way that this process becomes in its sandbox.

    Raises:
        OSError: a file can't be read.
    """
    shell = None
    if ssh is not None:
        key = None if ssh.key is None else _memfd(ssh.key)
        shell = Shell(ssh.destination, _memfd(ssh.known_hosts.expanduser()), key, ssh.control)
    held = None if authority is None else _memfd(authority)
    os.environ[_VARIABLE] = Live(url, Outward(outward.start()), held, shell).to_text()


def find() -> Live:
    """The way that was handed over."""
    return Live.from_text(os.environ.pop(_VARIABLE))


def _memfd(file: Path) -> int:
    """An open file with the same content. Whatever folder it lies in: a sandbox has some of its own."""
    descriptor = os.memfd_create("meshwg-held", 0)
    os.write(descriptor, file.read_bytes())
    return descriptor


class LiveService:
    """The service at a URL, for as long as ``with`` lasts.

    Args:
        lab: in a sandbox; names of the service resolve in its hosts.
        gateway: the host of the lab that stands for the hub.
        address: the gateway's, on the lab's underlay.
    """

    def __init__(self, live: Live, lab: Lab, gateway: Host, address: str) -> None:
        self.url = live.url
        parts = urlsplit(live.url)
        self._host, self._port = str(parts.hostname), parts.port or 443
        self._outlet = live.outward
        self._certificate = live.certificate
        self._lab = lab
        self._gateway = gateway
        self._address = address
        self._endpoint: str | None = None
        self._stands_for = {address}
        self._stack = ExitStack()

    def __enter__(self) -> LiveService:
        with ExitStack() as stack:
            literal = _literal(self._host)
            if literal is not None and literal.is_loopback:
                listener = socket.create_server((self._host, self._port))
            else:
                self._lead_here(literal is None, stack)
                listener = self._gateway.socket(socket.AF_INET, socket.SOCK_STREAM)
                listener.bind((self._stand_for(self._host), self._port))
                listener.listen()
            stack.enter_context(StreamRelay(listener, self._connect(socket.SOCK_STREAM, self._host, self._port)))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def api(self) -> Api:
        """A customer's connection to it."""
        return Api(self.url, self._certificate)

    def meet(self, endpoint: str) -> None:
        """Makes the hub that an organization was told of reachable in the lab.

        Args:
            endpoint: ``host:port``.

        Raises:
            Inconclusive: it is another one than before, or nothing that a lab can stand for.
        """
        if endpoint == self._endpoint:
            return
        host, _, port = endpoint.rpartition(":")
        if self._endpoint is not None:
            raise Inconclusive(f"organizations are told different hubs: {self._endpoint} and {endpoint}")
        literal = _literal(host)
        if host.startswith("[") or (literal is not None and (literal.version != 4 or literal.is_loopback)):
            raise Inconclusive(f"a lab's machines can't be led to the hub at {endpoint}")
        near = self._gateway.socket(socket.AF_INET, socket.SOCK_DGRAM)
        near.bind((self._stand_for(host), int(port)))
        self._stack.enter_context(DatagramRelay(near, self._connect(socket.SOCK_DGRAM, host, int(port))))
        self._endpoint = endpoint

    def lead(self, client: Host) -> None:
        """A machine of the lab finds the hub."""
        host = self.endpoint_host
        if _literal(host) is not None and host != self._address:
            client.route(f"{host}/32", via=self._address)

    @property
    def hub_address(self) -> str:
        """The address that machines of the lab send to."""
        host = self.endpoint_host
        return host if _literal(host) is not None else self._address

    @property
    def endpoint_host(self) -> str:
        """What configurations name as the hub; empty before any organization was met."""
        return (self._endpoint or "").rpartition(":")[0]

    def _connect(self, kind: socket.SocketKind, host: str, port: int) -> Callable[[], socket.socket]:
        return lambda: self._outlet.connect(kind, host, port)

    def _stand_for(self, host: str) -> str:
        """Makes the gateway that host, as the lab sees it; returns the address that it has as such."""
        if _literal(host) is None:
            self._lab.name(host, self._address)
            return self._address
        if host not in self._stands_for:
            self._gateway.run("ip", "address", "add", f"{host}/32", "dev", "lo")
            self._stands_for.add(host)
        return host

    def _lead_here(self, is_name: bool, stack: ExitStack) -> None:
        """The same for this process, which has mounts of its own in a sandbox."""
        if is_name:
            names = self._lab.folder / "hosts-here"
            names.write_text(f"{_HERE} localhost\n{self._address} {self._host}\n")
            _run("mount", "--bind", str(names), "/etc/hosts")
            stack.callback(_run, "umount", "/etc/hosts")
        elif self._host != self._address:
            _run("ip", "route", "add", f"{self._host}/32", "via", self._address)
            stack.callback(_run, "ip", "route", "delete", f"{self._host}/32")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
