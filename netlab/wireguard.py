"""WireGuard clients as a customer has them: a configuration file and the stock wg-quick(8)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Protocol

from netlab.errors import CommandFailed, InvalidName, NothingArrived, Unsupported
from netlab.host import Host
from netlab.waiting import wait_until

USERSPACE = {"wireguard-go": "wireguard-go", "boringtun": "boringtun-cli"}
"""Programs for userspace WireGuard, by the name that `implementation` has for them."""

# wg-quick's own rule.
_FILE_NAME = re.compile(r"([a-zA-Z0-9_=+.-]{1,15})\.conf")

# Userspace implementations go to the background before their control socket surely answers, and wg-quick speaks to it
# at once. This starts one ($2, named $1) and returns when it answers, for 5 s at most.
_START_AND_WAIT = """\
"$2" "$1" || return 1
for _ in {1..2500}; do wg show "$1" >/dev/null 2>&1 && return 0; sleep 0.002; done
echo "$2 does not answer for $1" >&2
return 1
"""

# wg-quick prefers the kernel wherever `ip link add … type wireguard` succeeds, and has no option against that. bash
# takes functions from its environment: with this one, that very command makes the link by another implementation.
_IP_THAT_STARTS = """() {{
if [[ "$1 $2 $4 $5" == "link add type wireguard" ]]; then
set -- "$3" "{program}"
{start}
fi
command ip "$@"
}}"""


@dataclass(frozen=True)
class Peer:
    """A peer of a tunnel, as `wg show INTERFACE dump` reports it; see wg(8).

    Attributes:
        public_key: public key, in base64.
        endpoint: `address:port`; None if not known.
        allowed_ips: networks.
        latest_handshake: Unix time in seconds; 0 for never.
        rx_bytes: bytes received, with WireGuard's own overhead.
        tx_bytes: bytes sent, with WireGuard's own overhead.
        keepalive: seconds; 0 for off.
    """

    public_key: str
    endpoint: str | None
    allowed_ips: tuple[str, ...]
    latest_handshake: int
    rx_bytes: int
    tx_bytes: int
    keepalive: int


def parse_dump(text: str) -> list[Peer]:
    """Reads the output of `wg show INTERFACE dump`, without its first line, which is about the interface.

    Args:
        text: the output.

    Returns:
        Peers in the order of the lines.

    Raises:
        ValueError: it is not such an output.
    """
    peers = []
    for line in text.splitlines()[1:]:
        key, _preshared, endpoint, allowed, handshake, received, sent, keepalive = line.split("\t")
        peers.append(
            Peer(
                public_key=key,
                endpoint=None if endpoint == "(none)" else endpoint,
                allowed_ips=() if allowed == "(none)" else tuple(allowed.split(",")),
                latest_handshake=int(handshake),
                rx_bytes=int(received),
                tx_bytes=int(sent),
                keepalive=0 if keepalive == "off" else int(keepalive),
            )
        )
    return peers


@dataclass(frozen=True, eq=False)
class Tunnel:
    """A WireGuard link that wg-quick brought up. It is taken down by `down()`, by `with`, or with its host.

    Attributes:
        host: the host that has it.
        path: its configuration file.
        seconds: seconds until wg-quick was done.
        log: output of wg-quick.
    """

    host: Host
    path: PurePath
    seconds: float
    log: str = field(repr=False)

    @property
    def interface(self) -> str:
        """Name of its link."""
        return self.path.stem

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *error: object) -> None:
        self.down()

    def peers(self) -> list[Peer]:
        """Returns its peers as they are now.

        Raises:
            CommandFailed: the link is gone.
        """
        return parse_dump(self.host.run("wg", "show", self.interface, "dump").stdout)

    def wait_for_handshake(self, timeout_s: float, public_key: str | None = None) -> float:
        """Waits until a peer has completed a handshake.

        It sends nothing: WireGuard starts a handshake when it has a packet to send.

        Args:
            timeout_s: seconds to wait.
            public_key: public key of the peer, in base64; None is any peer.

        Returns:
            Seconds waited.

        Raises:
            NothingArrived: there was no handshake in time.
        """

        def has_shaken_hands() -> bool:
            peers = (peer for peer in self.peers() if public_key in (None, peer.public_key))
            return any(peer.latest_handshake for peer in peers)

        start = time.monotonic()
        if not wait_until(has_shaken_hands, timeout_s):
            raise NothingArrived(f"handshake of {self.interface} in {self.host.name}", timeout_s)
        return time.monotonic() - start

    def down(self) -> None:
        """Takes the tunnel down with `wg-quick down`; does nothing if it is down.

        Raises:
            CommandFailed: wg-quick failed.
        """
        if self.host.run("ip", "link", "show", "dev", self.interface, check=False).returncode == 0:
            self.host.run("wg-quick", "down", self.path)


def wg_quick(
    host: Host,
    config_text: str,
    file_name: str = "wg-mesh.conf",
    *,
    implementation: str = "auto",
) -> Tunnel:
    """Writes a configuration byte for byte and has the stock `wg-quick` bring it up in a host.

    Args:
        host: the host.
        config_text: the whole configuration; see wg-quick(8).
        file_name: `NAME.conf`; NAME becomes the name of the link.
        implementation: `kernel`, `wireguard-go`, `boringtun`, or `auto`: the first of these that the host has.

    Returns:
        The tunnel, which is up.

    Raises:
        InvalidName: wg-quick would not take `file_name`.
        Unsupported: the host has no such implementation.
        ValueError: there is no implementation of that name.
        CommandFailed: wg-quick failed; its words are in `stderr`.
    """
    name = _FILE_NAME.fullmatch(file_name)
    if name is None:
        raise InvalidName(
            f"{file_name!r} is no name for wg-quick: 1 to 15 of a-z, A-Z, 0-9 and _=+.-, followed by .conf"
        )
    path = host.folder / file_name
    host.write(path, config_text.encode(), 0o600)
    environment = _environment(host, implementation)
    try:
        done = host.run("wg-quick", "up", path, env=environment)
        host.run("wg", "show", name[1])
    except CommandFailed as error:
        if implementation == "kernel" and "type wireguard" in error.stderr and "Unknown device type" in error.stderr:
            raise Unsupported(f"the kernel of this machine has no WireGuard: {error.stderr.strip()}") from error
        raise
    return Tunnel(host, path, done.seconds, done.stderr)


def _environment(host: Host, implementation: str) -> dict[str, str]:
    if implementation == "kernel":
        # Any program that exists will do: without the kernel's link type it is run, and fails.
        return {"WG_QUICK_USERSPACE_IMPLEMENTATION": "false"}
    if implementation == "auto":
        program = next(filter(None, map(host.which, USERSPACE.values())), None)
        if program is None:
            return {}
        starter = host.folder / "start-userspace-wireguard"
        script = f'#!/bin/bash\nstart() {{\n{_START_AND_WAIT}}}\nstart "$1" "{program}"\n'
        host.write(starter, script.encode(), 0o755)
        return {"WG_QUICK_USERSPACE_IMPLEMENTATION": str(starter), "WG_SUDO": "1"}
    if implementation not in USERSPACE:
        raise ValueError(f"no implementation {implementation!r}: auto, kernel, {', '.join(USERSPACE)}")
    program = host.which(USERSPACE[implementation])
    if program is None:
        raise Unsupported(f"{USERSPACE[implementation]} is not installed in {host.name}")
    # WG_SUDO keeps boringtun from dropping root, which it needs to remove its link.
    return {
        "BASH_FUNC_ip%%": _IP_THAT_STARTS.format(program=program, start=_START_AND_WAIT.replace("\n", "\n  ").rstrip()),
        "WG_SUDO": "1",
    }


class Result(Protocol):
    """Result of a program that ended, as `Completed` has it."""

    @property
    def returncode(self) -> int:
        """Exit status."""

    @property
    def stdout(self) -> str:
        """Standard output."""


class RunsPrograms(Protocol):
    """A place where programs run: every `Host`, or the calling program's own network."""

    def run(self, *argv: str, check: bool = True) -> Result:
        """Runs a program and waits for its end; see `Host.run`."""

    def which(self, program: str) -> str | None:
        """Returns the path of a program, or None; see `Host.which`."""


def wireguard_implementation(host: RunsPrograms) -> str:
    """Returns the name and version of the implementation that `auto` takes in a host, such as `kernel 6.1.0-18-amd64`.

    Args:
        host: the host. It has a link named `wgprobe0` meanwhile.

    Raises:
        Unsupported: the host has none.
    """
    probe = "wgprobe0"
    if host.run("ip", "link", "add", "name", probe, "type", "wireguard", check=False).returncode == 0:
        host.run("ip", "link", "delete", "dev", probe)
        return f"kernel {host.run('uname', '-r').stdout.strip()}"
    for name, program in USERSPACE.items():
        if host.which(program):
            version = re.search(r"\d+\.\d+\.\d+\S*", host.run(program, "--version").stdout)
            return f"{name} {version[0] if version else '(unknown version)'}"
    raise Unsupported("neither the kernel nor a program here implements WireGuard")
