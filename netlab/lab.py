"""A lab: hosts and switches that exist for as long as a `with` block runs."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Protocol

from netlab.errors import InvalidName, SandboxError
from netlab.labhost import LabHost
from netlab.link import CARRIER_TIMEOUT_S, Link
from netlab.namespacehost import NamespaceHost
from netlab.namespaces import Namespaces
from netlab.neighbours import wait_until_found
from netlab.plan import LinkShape, Plan
from netlab.programs import Programs
from netlab.rtnetlink import Netlink
from netlab.shape import shape_egress
from netlab.switch import Switch


class HostMaker(Protocol):
    """Makes the hosts of a lab."""

    def __call__(self, name: str, folder: Path, hosts_file: Path, *, forwards: bool) -> LabHost:
        """Makes one, without links; the arguments are those of `NamespaceHost`."""


class Lab:
    """Builds a topology and takes it away again, also when the body of the `with` raises.

    Needs the rights that root has in a sandbox (`netlab.sandbox`). Outside of one it works as root too, touches no
    network namespace but its own, and is cleaned up at exit; only a SIGKILL would leave daemons behind there.

    Example:
        >>> with Lab() as lab:
        ...     internet = lab.switch("internet")
        ...     for number, name in enumerate(["mumbai", "pune"], start=11):
        ...         lab.connect(lab.host(name), internet, f"192.0.2.{number}/24")
        ...     assert lab.hosts["mumbai"].ping("192.0.2.12")
    """

    def __init__(self, keep_folder: Path | None = None, *, make_host: HostMaker = NamespaceHost) -> None:
        """Makes an empty lab.

        Args:
            keep_folder: where to move the lab's folder (logs, captures) at close; it is removed if None.
            make_host: `NamespaceHost`, or a `netlab.container.Containers`.

        Raises:
            SandboxError: the caller may not make namespaces.
        """
        self._keep_folder = keep_folder
        self._make_host = make_host
        self._hosts: dict[str, LabHost] = {}
        self._switches: dict[str, Switch] = {}
        self._names: dict[str, str] = {}
        # Counters are drawn from by `next`, which is atomic: threads may build a lab together.
        self._interfaces: dict[str, Iterator[int]] = {}
        self._ports_here: list[str] = []
        self._ports = itertools.count()
        # Where the caller is now: `connect_here` means this namespace, whatever thread calls it.
        self._here = Namespaces.current()
        try:
            self._fabric = Namespaces.create(("net",), _quiet)
        except PermissionError as error:
            self._here.close()
            raise SandboxError(
                f"A lab needs root in a sandbox ({error.strerror}): start the program with `python -m netlab.sandbox`."
            ) from error
        self.netlink = self._fabric.enter(Netlink.here)
        self.folder = Path(tempfile.mkdtemp(prefix="lab-")).resolve()
        self.folder.chmod(0o755)
        self._hosts_file = self.folder / "etc-hosts"
        self._write_names()

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def hosts(self) -> Mapping[str, LabHost]:
        """Hosts by name."""
        return MappingProxyType(self._hosts)

    @property
    def switches(self) -> Mapping[str, Switch]:
        """Switches by name."""
        return MappingProxyType(self._switches)

    def host(self, name: str) -> LabHost:
        """Adds a host, with `lo` up and no other link."""
        return self._add_host(name, forwards=False)

    def router(self, name: str, *, masquerade: str | None = None) -> LabHost:
        """Adds a host that forwards IPv4 and IPv6.

        Args:
            name: also its host name.
            masquerade: the interface out of which what it forwards carries its own address (NAT); None for none.
        """
        host = self._add_host(name, forwards=True)
        if masquerade is not None:
            host.masquerade(masquerade)
        return host

    def _add_host(self, name: str, *, forwards: bool) -> LabHost:
        if name in self._hosts:
            raise InvalidName(f"the lab has a host {name!r} already")
        host = self._make_host(name, self.folder / name, self._hosts_file, forwards=forwards)
        self._hosts[name] = host
        self._interfaces[name] = itertools.count()
        return host

    def switch(self, name: str) -> Switch:
        """Adds a switch."""
        if name in self._switches:
            raise InvalidName(f"the lab has a switch {name!r} already")
        switch = Switch(name, f"s{len(self._switches)}")
        self.netlink.add_bridge(switch.interface)
        self._switches[name] = switch
        return switch

    def name(self, name: str, address: str) -> None:
        """Makes `name` resolve to `address` in every host (they share an `/etc/hosts` of the lab's)."""
        self._names[name] = address
        self._write_names()

    def _write_names(self) -> None:
        lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{ip} {name}" for name, ip in self._names.items())]
        # Written in place: hosts have this very file mounted.
        self._hosts_file.write_text("\n".join(lines) + "\n")

    def build(self, plan: Plan) -> None:
        """Adds all that a plan has (raises what its parts raise)."""
        for name in plan.switches:
            if name not in self._switches:
                self.switch(name)
        for host in plan.hosts:
            added = self.router(host.name) if host.forwards else self.host(host.name)
            if host.masquerade is not None:
                added.masquerade(host.masquerade)
        for cable in plan.cables:
            owner, switch = self._hosts[cable.host], self._switches[cable.switch]
            self._connect(owner, switch, cable.addresses, cable.shape, cable.interface)
        for route in plan.routes:
            self._hosts[route.host].route(route.destination, via=route.via)
        for name, address in plan.names:
            self.name(name, address)

    def connect(
        self,
        host: LabHost,
        switch: Switch,
        *addresses: str,
        mtu: int = 1500,
        rate: int | None = None,
        delay: float | None = None,
        loss: float | None = None,
        reorder: float | None = None,
        interface: str | None = None,
    ) -> Link:
        """Plugs a host into a switch, once more if it is connected already.

        Args:
            host: of this lab.
            switch: of this lab.
            addresses: IPv4 or IPv6, with prefix length (`192.0.2.11/24`).
            mtu: bytes.
            rate: bits per second in each direction.
            delay: seconds in each direction.
            loss: share of packets lost in each direction, 0 to 1.
            reorder: share of packets that overtake delayed ones, in each direction, 0 to 1.
            interface: its name in the host; `eth0`, `eth1`, … if None.

        Raises:
            InvalidPlan: a link can't be like that.
            Unsupported: the kernel can't shape links like that.
        """
        return self._connect(host, switch, addresses, LinkShape(mtu, rate, delay, loss, reorder), interface)

    def _connect(
        self, host: LabHost, switch: Switch, addresses: tuple[str, ...], shape: LinkShape, interface: str | None
    ) -> Link:
        if interface is None:
            interface = f"eth{next(self._interfaces[host.name])}"
        port = self._plug(switch, interface, host.namespaces.net, shape.mtu)
        for address in addresses:
            host.netlink.add_address(interface, address)
        host.netlink.set_up(interface)
        for netlink, end in ((self.netlink, port), (host.netlink, interface)):
            netlink.wait_until_running(end, CARRIER_TIMEOUT_S)
        wait_until_found(host.namespaces, interface, addresses, CARRIER_TIMEOUT_S)
        shape_egress(host.outside, interface, shape)
        shape_egress(Programs("switches", self._fabric), port, shape)
        return Link(host.name, switch, interface, port, addresses, shape, self.netlink)

    def connect_here(self, switch: Switch, address: str) -> Link:
        """Plugs the caller's own network namespace (the sandbox's) into a switch, until the lab closes."""
        interface = f"lab{os.getpid()}-{next(self._ports)}"
        port = self._plug(switch, interface, self._here.net, 1500)
        self._ports_here.append(port)
        netlink = self._here.enter(Netlink.here)
        try:
            netlink.add_address(interface, address)
            netlink.set_up(interface)
            self.netlink.wait_until_running(port, CARRIER_TIMEOUT_S)
            netlink.wait_until_running(interface, CARRIER_TIMEOUT_S)
            wait_until_found(self._here, interface, [address], CARRIER_TIMEOUT_S)
        finally:
            netlink.close()
        return Link("here", switch, interface, port, (address,), LinkShape(), self.netlink)

    def _plug(self, switch: Switch, interface: str, namespace: int, mtu: int) -> str:
        port = f"p{next(self._ports)}"
        self.netlink.add_veth(port, interface, namespace, mtu)
        self.netlink.set_bridge(port, switch.interface)
        self.netlink.set_up(port)
        return port

    def close(self) -> None:
        """Takes everything away. May be called twice."""
        with contextlib.ExitStack() as stack:
            # Run in reverse order, and all of them, whatever one raises.
            stack.callback(self._remove_folder)
            stack.callback(self._here.close)
            stack.callback(self._fabric.close)
            stack.callback(self.netlink.close)
            for port in self._ports_here:
                # At once, not when the kernel gets round to the namespace: the caller's network must be as it was.
                stack.callback(self._delete_port, port)
            self._ports_here = []
            for host in self._hosts.values():
                stack.callback(host.close)
            self._hosts = {}

    def _delete_port(self, port: str) -> None:
        with contextlib.suppress(OSError):
            self.netlink.delete_link(port)

    def _remove_folder(self) -> None:
        if self._keep_folder is not None and self.folder.exists():
            shutil.move(self.folder, self._keep_folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def _quiet() -> None:
    """Bridges would speak IPv6 on links that are the hosts'."""
    for scope in ("all", "default"):
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
