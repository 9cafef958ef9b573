"""Routing daemons that tell a router which shards are on a host, with the example's files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

from netlab import LabHost
from tests.appliance.cluster.example import EXAMPLE, installed
from tests.waiting import wait_until

_ROUTER = "192.0.2.254"
_SOCKET = "/run/bird.ctl"


class RoutingDaemon(Protocol):
    """A routing daemon, which may be several programs."""

    def check(self) -> None:
        """Skips the test if the machine lacks it."""

    def start(self, host: LabHost, own: str, folder: Path) -> None:
        """Starts it on a host of hubs with the example's file.

        Args:
            own: the host's address, in place of the example's.
            folder: for the file.
        """

    def routes(self, host: LabHost) -> str:
        """Returns the routes that it knows on a host; nothing if it does not answer yet."""

    def announced(self, host: LabHost) -> str:
        """Returns the routes of which it tells the router."""


def start_bird(host: LabHost, file: Path) -> None:
    """Starts BIRD with a file."""
    host.start(installed("bird"), "-f", "-c", file, "-s", _SOCKET, log="bird")


def ask_bird(host: LabHost, *words: str) -> str:
    """Returns what a host's BIRD answers; nothing if it does not yet."""
    return host.run(installed("birdc"), "-s", _SOCKET, *words, check=False).stdout


class Bird:
    """BIRD, with ``bird.conf``."""

    def check(self) -> None:
        installed("bird")

    def start(self, host: LabHost, own: str, folder: Path) -> None:
        text, file = (EXAMPLE / "bird.conf").read_text(), folder / f"{host.name}.conf"
        file.write_text(text.replace("192.0.2.1;", f"{own};").replace("local 192.0.2.1 ", f"local {own} "))
        start_bird(host, file)

    def routes(self, host: LabHost) -> str:
        return ask_bird(host, "show", "route")

    def announced(self, host: LabHost) -> str:
        return ask_bird(host, "show", "route", "export", "upstream")


class Frr:
    """FRR, with ``frr.conf``: it is started, and told its configuration, as Debian's service does it."""

    _DAEMONS = ("zebra", "bgpd", "bfdd")

    def check(self) -> None:
        for name in (*self._DAEMONS, "vtysh"):
            installed(name)

    def start(self, host: LabHost, own: str, folder: Path) -> None:
        configuration = folder / f"{host.name}-frr"
        configuration.mkdir()
        text = (EXAMPLE / "frr.conf").read_text()
        (configuration / "frr.conf").write_text(text.replace("router-id 192.0.2.1\n", f"router-id {own}\n"))
        host.run("install", "--directory", "--owner=frr", "--group=frr", "/run/frr")
        # One after the other, zebra first: what does not find it tries again 10 s later and knows no link till then.
        for name in self._DAEMONS:
            host.start(installed(name), "--config_file", "/dev/null", "--vty_port", "0", log=name)
            wait_until(partial(self._answers, host, name))
        wait_until(lambda: "\nbfd " in self._ask(host, "show zebra client summary"))
        host.run(installed("vtysh"), "--boot", "--config_dir", configuration)

    def routes(self, host: LabHost) -> str:
        return self._ask(host, "show ip route")

    def announced(self, host: LabHost) -> str:
        return self._ask(host, f"show bgp ipv4 unicast neighbors {_ROUTER} advertised-routes")

    def _answers(self, host: LabHost, name: str) -> bool:
        return self._ask(host, "show version", "-d", name) != ""

    def _ask(self, host: LabHost, command: str, *options: str) -> str:
        return host.run(installed("vtysh"), *options, "-c", command, check=False).stdout
