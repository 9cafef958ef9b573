"""A service that somebody else runs, reached from a lab as customers reach it: its pages and API, and its UDP port.

A host of the lab, the gateway, has the address that the service's configurations name, and relays to the real hub.
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
from harness.subject import outward
from harness.subject.outward import Outward
from harness.subject.relay import DatagramRelay, StreamRelay
from netlab import Host, Lab
from netlab.sshlogin import Login
from reports import addresses

CONTROL = "systemctl {} meshwg"
"""Command that stops or starts a service which is installed by `docs/operating.md`; ``{}`` is the verb."""
_HERE = "127.0.0.1"
_VARIABLE = "MESHWG_LIVE"


@dataclass(frozen=True)
class Ssh:
    """Options of a shell on the service's host, before the files are opened; see `Shell`."""

    destination: str
    key: Path | None = None
    known_hosts: Path = Path("~/.ssh/known_hosts")
    control: str = CONTROL


@dataclass(frozen=True)
class Shell:
    """A shell on the service's host.

    Attributes:
        destination: ``USER@HOST[:PORT]``; a user other than root needs sudo there.
        known_hosts: descriptor of a file with the host keys to accept.
        key: descriptor of a file with the private key to log in with; None tries the user's own keys.
        control: command that stops or starts the service there, with ``{}`` for the verb.
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
        """Parts of the destination, and files to log in with."""
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
    """A service that somebody else runs, with everything that a sandbox needs to reach it.

    Attributes:
        url: ``https://HOST[:PORT]``.
        outward: way out of the sandbox.
        authority: descriptor of a file with the certificates to trust; None trusts the system's authorities.
        ssh: shell on its host; None if the run may not look at the host nor damage it.
    """

    url: str
    outward: Outward
    authority: int | None = None
    ssh: Shell | None = None

    @property
    def certificate(self) -> Path | None:
        """File with the certificates to trust; None trusts the system's authorities."""
        return None if self.authority is None else Path(f"/dev/fd/{self.authority}")

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors that another process has to inherit to reach the service."""
        shell = () if self.ssh is None else (self.ssh.known_hosts, self.ssh.key)
        return tuple(each for each in (self.outward.descriptor, self.authority, *shell) if each is not None)

    def to_text(self) -> str:
        """Serializes this value for another process, which needs the same `descriptors`."""
        return json.dumps({**asdict(self), "outward": self.outward.descriptor})

    @staticmethod
    def from_text(text: str) -> Live:
        """Parses the text that `to_text` returned."""
        facts = json.loads(text)
        shell = None if facts["ssh"] is None else Shell(**facts["ssh"])
        return Live(facts["url"], Outward(facts["outward"]), facts["authority"], shell)


def export(url: str, authority: Path | None, ssh: Ssh | None) -> None:
    """Prepares access to a service for the program that this process executes in a sandbox; `find` returns it there.

    Args:
        url: ``https://HOST[:PORT]``.
        authority: file with the certificates to trust; None trusts the system's authorities.
        ssh: shell on the service's host, if any.

    Raises:
        OSError: a file can't be read.
    """
    shell = None
    if ssh is not None:
        key = None if ssh.key is None else _memfd(ssh.key)
        shell = Shell(ssh.destination, _memfd(ssh.known_hosts.expanduser()), key, ssh.control)
    certificates = None if authority is None else _memfd(authority)
    os.environ[_VARIABLE] = Live(url, Outward(outward.start()), certificates, shell).to_text()


def find() -> Live:
    """Returns what `export` prepared."""
    return Live.from_text(os.environ.pop(_VARIABLE))


def _memfd(file: Path) -> int:
    """Copies a file into memory, since a sandbox may hide the folder that it lies in. Returns the descriptor."""
    descriptor = os.memfd_create("meshwg-live", 0)
    os.write(descriptor, file.read_bytes())
    return descriptor


class LiveService:
    """Relays from a lab to a service that runs elsewhere, for as long as ``with`` lasts.

    Args:
        live: the service.
        lab: lab whose hosts resolve the names of the service.
        gateway: host of the lab that relays to the service.
        address: the gateway's address on the lab's underlay.
    """

    def __init__(self, live: Live, lab: Lab, gateway: Host, address: str) -> None:
        self.url = live.url
        parts = urlsplit(live.url)
        self._host, self._port = str(parts.hostname), parts.port or 443
        self._outward = live.outward
        self._certificate = live.certificate
        self._lab = lab
        self._gateway = gateway
        self._address = address
        self._endpoint: str | None = None
        self._gateway_addresses = {address}
        self._stack = ExitStack()

    def __enter__(self) -> LiveService:
        with ExitStack() as stack:
            literal = _literal(self._host)
            if literal is not None and literal.is_loopback:
                listener = socket.create_server((self._host, self._port))
            else:
                self._route_this_process(literal is None, stack)
                listener = self._gateway.socket(socket.AF_INET, socket.SOCK_STREAM)
                listener.bind((self._take_over(self._host), self._port))
                listener.listen()
            stack.enter_context(StreamRelay(listener, self._connect(socket.SOCK_STREAM, self._host, self._port)))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def api(self) -> Api:
        """Opens an API connection that is not signed in."""
        return Api(self.url, self._certificate)

    def relay_endpoint(self, endpoint: str) -> None:
        """Relays datagrams to the endpoint of an organization.

        Args:
            endpoint: ``host:port`` in the organization's configurations.

        Raises:
            Inconclusive: an organization before had another endpoint, or a lab can't have this address.
        """
        if endpoint == self._endpoint:
            return
        host, _, port = endpoint.rpartition(":")
        if self._endpoint is not None:
            raise Inconclusive(f"organizations have different endpoints: {self._endpoint} and {endpoint}")
        literal = _literal(host)
        if host.startswith("[") or (literal is not None and (literal.version != 4 or literal.is_loopback)):
            raise Inconclusive(f"a lab's machines can't reach the hub at {endpoint}")
        near = self._gateway.socket(socket.AF_INET, socket.SOCK_DGRAM)
        near.bind((self._take_over(host), int(port)))
        self._stack.enter_context(DatagramRelay(near, self._connect(socket.SOCK_DGRAM, host, int(port))))
        self._endpoint = endpoint

    def add_route(self, client: Host) -> None:
        """Gives a host of the lab a route to the endpoint's address."""
        host = self.endpoint_host
        if _literal(host) is not None and host != self._address:
            client.route(f"{host}/32", via=self._address)

    @property
    def hub_address(self) -> str:
        """Address that machines of the lab send to."""
        host = self.endpoint_host
        return host if _literal(host) is not None else self._address

    @property
    def endpoint_host(self) -> str:
        """Host in the organizations' endpoint; "" before `relay_endpoint`."""
        return (self._endpoint or "").rpartition(":")[0]

    def _connect(self, kind: socket.SocketKind, host: str, port: int) -> Callable[[], socket.socket]:
        return lambda: self._outward.connect(kind, host, port)

    def _take_over(self, host: str) -> str:
        """Gives the gateway a name or address of the service; returns the gateway's address for it."""
        if _literal(host) is None:
            self._lab.name(host, self._address)
            return self._address
        if host not in self._gateway_addresses:
            self._gateway.run("ip", "address", "add", f"{host}/32", "dev", "lo")
            self._gateway_addresses.add(host)
        return host

    def _route_this_process(self, is_name: bool, stack: ExitStack) -> None:
        """Leads this process to the gateway: a name by the sandbox's own ``/etc/hosts``, an address by a route."""
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
