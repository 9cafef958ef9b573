"""A service that somebody else runs, reached from a lab as customers reach it: its pages and API, and its UDP port.

Nothing of its host can be seen or changed. What its organizations are told to be the hub is a host of the lab, which
passes datagrams on to the real one.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from harness import outlet
from harness.api import Api
from harness.outlet import Outlet
from harness.relay import DatagramRelay, StreamRelay
from harness.verdicts import Inconclusive
from netlab import Host, Lab

_HERE = "127.0.0.1"
_VARIABLE = "MESHWG_LIVE"


@dataclass(frozen=True)
class Live:
    """Which service it is, and what leads to it.

    Attributes:
        url: ``https://HOST[:PORT]``.
        outlet: the way to it out of the sandbox.
        authority: open file with what its certificate is checked against; None takes the system's authorities.
    """

    url: str
    outlet: Outlet
    authority: int | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Open files that another process needs to work with it."""
        return (self.outlet.descriptor, *(() if self.authority is None else (self.authority,)))


def hand_over(authority: Path | None) -> None:
    """Lets the program find the way that this process becomes in its sandbox.

    Raises:
        OSError: the authority's file can't be read.
    """
    held = ""
    if authority is not None:
        # Whatever folder it lies in: a sandbox has some of its own.
        descriptor = os.memfd_create("authority", 0)
        os.write(descriptor, authority.read_bytes())
        held = str(descriptor)
    os.environ[_VARIABLE] = f"{outlet.start()}:{held}"


def find(url: str) -> Live:
    """The way that was handed over."""
    descriptor, _, authority = os.environ.pop(_VARIABLE).partition(":")
    return Live(url, Outlet(int(descriptor)), int(authority) if authority else None)


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
        self._outlet = live.outlet
        self._certificate = None if live.authority is None else Path(f"/dev/fd/{live.authority}")
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
