"""Hosts whose network namespace the caller holds, and the things done to them from outside."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TypeVar

from netlab.errors import Unsupported
from netlab.host import Host
from netlab.namespaces import Namespaces, processes_in
from netlab.ping import PingResult, ping
from netlab.process import LocalProcess, Process
from netlab.programs import Programs
from netlab.rtnetlink import Netlink

T = TypeVar("T")


class LabHost(Host):
    """A host of a lab. Made by `Lab.host` and `Lab.router`.

    Attributes:
        folder: folder of this host, at the same path inside and outside.
        netlink: links, addresses and routes of this host.
        outside: starter of the machine's own programs in this host's network.
    """

    folder: Path

    def __init__(self, name: str, folder: Path, namespaces: Namespaces) -> None:
        """Opens the host's rtnetlink socket.

        Args:
            name: name of the host.
            folder: folder of the host, which exists.
            namespaces: its namespaces; `close` lets them go.
        """
        super().__init__(name, folder)
        self.outside = Programs(name, namespaces, only_network=True)
        self._namespaces = namespaces
        self._processes: list[LocalProcess] = []
        self.netlink = Netlink(self.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} pid {self.pid}>"

    @property
    def namespaces(self) -> Namespaces:
        """Namespaces of this host."""
        return self._namespaces

    @property
    def pid(self) -> int:
        """Id of a process that lives in this host's namespaces until the lab closes, for `nsenter --target`."""
        raise NotImplementedError

    def processes(self) -> list[int]:
        """Returns the ids of all processes in this host, daemons and the one that holds it included."""
        return processes_in(self._namespaces.identity)

    def in_network(self, function: Callable[[], T]) -> T:
        """Runs a function in a short-lived thread inside this host's network namespace.

        Args:
            function: a function of the calling program. A socket that it makes stays in the host's network.

        Returns:
            The function's result.
        """
        return self._namespaces.enter(function, only_network=True)

    def start_tool(self, source: Path, *arguments: str | PurePath, log: str) -> Process:
        """Starts one of netlab's own programs in this host's network; see `Host.start_tool`."""
        argv = (sys.executable, "-I", "-S", str(source), *map(str, arguments))
        process = self.outside.start(argv, self.folder / f"{log}.log")
        self._processes.append(process)
        return process

    def route(self, destination: str, *, via: str | None = None, interface: str | None = None) -> None:
        """Adds a route; see `Host.route`.

        Raises:
            OSError: the kernel refuses it.
        """
        self.netlink.add_route(destination, via, interface)

    def ping(
        self,
        address: str,
        count: int = 1,
        timeout: float = 1.0,
        interval: float = 0.2,
        source: str | None = None,
        size: int = 56,
    ) -> PingResult:
        """Sends ICMP echo requests from this host, without a child process; see `netlab.ping.ping`."""
        return ping(self.socket, address, count, timeout, interval, source, size)

    def masquerade(self, interface: str) -> None:
        """Translates the source of forwarded packets to this router's own address on an interface (NAT).

        Args:
            interface: name of the interface that the packets leave by; it may be plugged in later.

        Raises:
            Unsupported: the kernel, or this machine, has no nftables with address translation.
        """
        chain = "type nat hook postrouting priority srcnat;"
        rules = f'table inet netlab-nat {{ chain out {{ {chain} oifname "{interface}" masquerade; }}; }}\n'
        done = self.outside.run(("nft", "-f", "-"), input=rules, check=False)
        if done.returncode != 0:
            raise Unsupported(f"{self.name} can't translate addresses: {done.stderr.strip()}")


def set_forwarding(forwards: bool) -> None:
    """Switches forwarding on or off in the network namespace of the calling thread, for IPv4 and IPv6.

    It is set either way, as a new namespace begins with the machine's own setting.

    Args:
        forwards: on or off.
    """
    Path("/proc/sys/net/ipv4/ip_forward").write_text(str(int(forwards)))
    ipv6 = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    if ipv6.exists():
        ipv6.write_text(str(int(forwards)))
