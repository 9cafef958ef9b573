"""boringtun's differences from wireguard-go. Source: boringtun 0.7, `device/api.rs` and `device/mod.rs`.

It panics when an existing peer is changed. So a peer is always removed and added again, which ends its session, and
each in a request of its own, because settings of one section of a request hold for those that follow. It starts a
handshake only for a packet to the peer.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from appliance.hub.errors import LinkError
from appliance.hub.kernel import links, namespace
from appliance.hub.names import KernelNames
from appliance.hub.ruleset import ALLOWED_MARK
from appliance.hub.wireguard import processes, uapi
from appliance.hub.wireguard.protocol import NOWHERE
from appliance.hub.wireguard.userspace import Program, Userspace
from appliance.model.desired import Peer

PROGRAM = Program(
    "boringtun",
    processes.BORINGTUN,
    (
        "--foreground",
        # It creates its control socket itself, which it could not do without root.
        "--disable-drop-privileges",
        # A socket for each peer, on the same port, gets packets of others between its bind and its connect.
        "--disable-connected-udp",
        # A thread that panics must not leave the others behind to hold the link; and packets stay in order.
        "--threads=1",
    ),
)

# An answer to no ping: the machine's own kernel drops it silently (RFC 1122, 3.2.2.6).
_ECHO_REPLY = struct.pack("!BBHHH", 0, 0, 0xFFFF, 0, 0)


class Boringtun(Userspace):
    """boringtun's `Backend`."""

    def __init__(self) -> None:
        super().__init__(PROGRAM)

    def _bring_up(self, names: KernelNames, private_key: str, port: int) -> None:
        link = names.link
        self._start(link)
        self._wait_until(link, lambda _: True)
        uapi.set_device(link, uapi.device_lines(private_key, port))
        links.set_up(link)
        self._wait_until(link, lambda device: device.listen_port == port, f"its UDP port {port} can't be bound")
        links.move(names)

    def change(
        self, names: KernelNames, add: Iterable[Peer], remove: Iterable[str], endpoints: Mapping[str, str] = NOWHERE
    ) -> None:
        for public_key in remove:
            uapi.set_device(names.link, uapi.removal_lines(public_key))
        for peer in add:
            uapi.set_device(names.link, uapi.removal_lines(peer.public_key))
            where = endpoints.get(peer.public_key)
            uapi.set_device(names.link, uapi.peer_lines(peer.public_key, f"{peer.address}/32", where))

    def start_handshakes(self, names: KernelNames, endpoints: Mapping[str, str]) -> None:
        device = uapi.get_device(names.link)
        # A peer with a session would lose it, and needs no handshake.
        silent = [peer.public_key for peer in device.peers if not peer.last_handshake and peer.public_key in endpoints]
        machines = {public_key: _machine(device, public_key) for public_key in silent}
        for public_key, machine in machines.items():
            uapi.set_device(names.link, uapi.removal_lines(public_key))
            uapi.set_device(names.link, uapi.peer_lines(public_key, str(machine), endpoints[public_key]))
        _send_each(names, machines.values())

    def call(self, names: KernelNames) -> None:
        device = uapi.get_device(names.link)
        _send_each(names, [_machine(device, peer.public_key) for peer in device.peers if peer.received_bytes])


def _machine(device: uapi.Device, public_key: str) -> IPv4Network:
    """The range of a machine, as the process reports it.

    Raises:
        LinkError: it is not one of IPv4 alone.
    """
    try:
        (allowed,) = device.allowed[public_key]
        return IPv4Network(allowed)
    except ValueError as error:
        raise LinkError(f"the machine of {public_key} has no range of its own") from error


def _send_each(names: KernelNames, machines: Iterable[IPv4Network]) -> None:
    try:
        with (
            namespace.entered(names.namespace),
            socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender,
        ):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, ALLOWED_MARK)
            for machine in machines:
                sender.sendto(_ECHO_REPLY, (str(machine.network_address), 0))
    except OSError as error:
        raise LinkError(f"handshakes of {names.link} could not be started: {error}") from error
