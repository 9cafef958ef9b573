"""Attempts on the host's and an organization's network."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.appliance.inside.attempts import Attempt, Targets, stopped

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x1, 0x1000
_SO_MARK = 36


def _run(*command: str) -> Attempt:
    def attempt(_: Targets) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, cwd="/")
        if done.returncode:
            raise stopped(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else str(done.returncode))

    return attempt


def _sniff(_: Targets) -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()


def _forge(_: Targets) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).close()


def _mark(_: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, _SO_MARK, 1)


def _take_link(name: Callable[[Targets], str]) -> Attempt:
    def attempt(targets: Targets) -> None:
        device = os.open("/dev/net/tun", os.O_RDWR)
        try:
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name(targets).encode(), _IFF_TUN | _IFF_NO_PI))
        finally:
            os.close(device)

    return attempt


def share_port(address: str, port: int) -> None:
    """Binds a UDP port that another process may have, with every option for sharing it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        thief.bind((address, port))


def _take_port(address: str, targets: Targets) -> None:
    complaints = []
    for port in targets.ports:
        try:
            share_port(address, port)
        except OSError as error:
            complaints.append(error)
        else:
            return
    raise complaints[0]


def _talk_to_wireguard(targets: Targets) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.connect(f"/var/run/wireguard/{targets.place}.sock")


def _find_abstract_socket(_: Targets) -> None:
    """Looks for an abstract Unix socket of root, which has no file and so no mode."""
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        name = line.split()[-1]
        if not name.startswith("@"):
            continue
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            try:
                caller.connect("\0" + name[1:])
            except OSError:
                continue
            return
    raise stopped("there is none")


ROWS: Mapping[str, Attempt] = {
    "see the rules": _run("nft", "list", "ruleset"),
    "change a link": _run("ip", "link", "set", "lo", "mtu", "65536"),
    "run a program in an organization's network": lambda targets: _run("ip", "netns", "exec", targets.place, "true")(
        targets
    ),
    "see packets": _sniff,
    "forge packets": _forge,
    "send with the mark that has a route": _mark,
    "make a TUN link": _take_link(lambda _: "mwinside"),
    "take the service's ports": partial(_take_port, "0.0.0.0"),
    "take them on one address": partial(_take_port, "127.0.0.1"),
    "talk to WireGuard": _talk_to_wireguard,
    "talk to root by a socket without a file": _find_abstract_socket,
}
