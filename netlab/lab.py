"""Labs: hosts and switches that exist for as long as a `with` block runs."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from netlab.errors import InvalidName, SandboxError
from netlab.labhost import LabHost
from netlab.link import Link
from netlab.namespacehost import NamespaceHost, close_hosts
from netlab.namespaces import Namespaces
from netlab.neighbours import wait_until_found
from netlab.plan import LinkShape, Plan
from netlab.programs import Programs
from netlab.rtnetlink import Netlink
from netlab.shape import shape_egress
from netlab.switch import Switch


class HostMaker(Protocol):
    """Maker of a lab's hosts."""

    def __call__(self, name: str, folder: Path, hosts_file: Path, *, forwards: bool) -> LabHost:
        """Makes a host without links; the arguments are those of `NamespaceHost`."""


class Lab:
    """A network of hosts and switches that is taken away at the end of `with`, also when its body raises.

    A lab needs the rights that root has in a sandbox (`netlab.sandbox`). Outside of one it works for root too, touches
    no network namespace but the caller's own, and is cleaned up at exit; after a SIGKILL, daemons stay behind there.

    Attributes:
        folder: folder of logs and captures, with one folder for each host.
        netlink: links of the namespace that has all switches.
        fabric: starter of this machine's programs in that namespace.

    Example:
        >>> with Lab() as lab:
        ...     internet = lab.switch("internet")
        ...     for number, name in enumerate(["mumbai", "pune"], start=11):
        ...         lab.connect(lab.host(name), internet, f"192.0.2.{number}/24")
        ...     assert lab.hosts["mumbai"].ping("192.0.2.12")
    """

    def __init__(self, *, make_host: HostMaker = NamespaceHost) -> None:
        """Makes an empty lab.

        Args:
            make_host: maker of the hosts: `NamespaceHost`, or a `netlab.container.Containers`.

        Raises:
            SandboxError: the caller may not make namespaces.
        """
        self._make_host = make_host
        self._hosts: dict[str, LabHost] = {}
        self._switches: dict[str, Switch] = {}
        self._names: dict[str, str] = {}
        # `next` on a counter is atomic: threads may build a lab together.
        self._interfaces: dict[str, Iterator[int]] = {}
        self._ports_here: list[str] = []
        self._ports = itertools.count()
        # The caller's namespace: `connect_here` uses it, whatever thread calls.
        self._here = Namespaces.current()
        try:
            self._fabric = Namespaces.create(("net",), _quiet)
        except PermissionError as error:
            self._here.close()
            raise SandboxError(
                f"A lab needs root in a sandbox ({error.strerror}): start the program with `python -m netlab.sandbox`."
            ) from error
        self.netlink = self._fabric.enter(Netlink.here)
        self.fabric = Programs("switches", self._fabric)
        self.folder = Path(tempfile.mkdtemp(prefix="lab-")).resolve()
        self.folder.chmod(0o755)
        self._hosts_file = self.folder / "etc-hosts"
        self._write_names()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def hosts(self) -> Mapping[str, LabHost]:
        """Hosts of this lab, by name."""
        return MappingProxyType(self._hosts)

    @property
    def switches(self) -> Mapping[str, Switch]:
        """Switches of this lab, by name."""
        return MappingProxyType(self._switches)

    def host(self, name: str) -> LabHost:
        """Adds a host with `lo` up and no other link.

        Args:
            name: name in the lab, and host name.

        Returns:
            The host.

        Raises:
            InvalidName: `name` is not a host name, or is taken.
        """
        return self._add_host(name, forwards=False)

    def router(self, name: str, *, masquerade: str | None = None) -> LabHost:
        """Adds a host that forwards IPv4 and IPv6.

        Args:
            name: name in the lab, and host name.
            masquerade: name of the interface whose own address forwarded packets carry when they leave by it (NAT);
                None for no translation.

        Returns:
            The host.

        Raises:
            InvalidName: `name` is not a host name, or is taken.
            Unsupported: addresses can't be translated here.
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
        """Adds a switch.

        Args:
            name: name in the lab.

        Returns:
            The switch.

        Raises:
            InvalidName: the name is taken.
        """
        if name in self._switches:
            raise InvalidName(f"the lab has a switch {name!r} already")
        switch = Switch(name, f"s{len(self._switches)}")
        self.netlink.add_bridge(switch.interface)
        self._switches[name] = switch
        return switch

    def name(self, name: str, address: str) -> None:
        """Makes a name resolve in every host; they share an `/etc/hosts` of the lab's.

        Args:
            name: the name.
            address: its IPv4 or IPv6 address.
        """
        self._names[name] = address
        self._write_names()

    def _write_names(self) -> None:
        lines = ["127.0.0.1 localhost", "::1 localhost", *(f"{ip} {name}" for name, ip in self._names.items())]
        # Written in place: hosts have this very file mounted.
        self._hosts_file.write_text("\n".join(lines) + "\n")

    def build(self, plan: Plan) -> None:
        """Adds everything that a plan describes, and raises what the single calls raise.

        Args:
            plan: the plan. Its switches may exist; its hosts may not.
        """
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
        """Plugs a host into a switch, by one more link if it is connected already.

        Args:
            host: a host of this lab.
            switch: a switch of this lab.
            *addresses: IPv4 or IPv6 addresses with prefix length, such as `192.0.2.11/24`.
            mtu: largest packet, in bytes of IP.
            rate: bits per second, in each direction.
            delay: seconds, in each direction.
            loss: share of packets that are lost in each direction, 0 to 1.
            reorder: share of packets that overtake delayed ones in each direction, 0 to 1.
            interface: name of the link in the host; None takes `eth0`, `eth1`, …

        Returns:
            The link, once it carries packets.

        Raises:
            InvalidPlan: the shape contradicts itself.
            NothingArrived: the link does not come up in time.
            OSError: the kernel refuses the link or an address.
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
            netlink.wait_until_running(end)
        wait_until_found(host.namespaces, interface, addresses)
        shape_egress(host.outside, interface, shape)
        shape_egress(self.fabric, port, shape)
        return Link(host.name, switch, interface, port, addresses, shape, self.netlink)

    def connect_here(self, switch: Switch, address: str) -> Link:
        """Plugs the caller's own network namespace (the sandbox's) into a switch, until the lab closes.

        Args:
            switch: a switch of this lab.
            address: the caller's address on the link, with prefix length.

        Returns:
            The link, once it carries packets.

        Raises:
            NothingArrived: the link does not come up in time.
            OSError: the kernel refuses the link or the address.
        """
        interface = f"lab{os.getpid()}-{next(self._ports)}"
        port = self._plug(switch, interface, self._here.net, 1500)
        self._ports_here.append(port)
        netlink = self._here.enter(Netlink.here)
        try:
            netlink.add_address(interface, address)
            netlink.set_up(interface)
            self.netlink.wait_until_running(port)
            netlink.wait_until_running(interface)
            wait_until_found(self._here, interface, [address])
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
        """Takes the whole lab away. May be called twice."""
        with contextlib.ExitStack() as stack:
            # All of them run, in reverse order, whatever one raises.
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            stack.callback(self._here.close)
            stack.callback(self._fabric.close)
            stack.callback(self.netlink.close)
            for port in self._ports_here:
                # At once, not when the kernel gets round to the namespace: the caller's network must be as it was.
                stack.callback(self._delete_port, port)
            self._ports_here = []
            for host in self._hosts.values():
                stack.callback(host.close)
            # Before each by itself, since that looks through all processes for every host.
            stack.callback(close_hosts, [host for host in self._hosts.values() if isinstance(host, NamespaceHost)])
            self._hosts = {}

    def _delete_port(self, port: str) -> None:
        with contextlib.suppress(OSError):
            self.netlink.delete_link(port)


def _quiet() -> None:
    """Switches IPv6 off in the calling thread's network: bridges would speak it on the hosts' links."""
    for scope in ("all", "default"):
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
