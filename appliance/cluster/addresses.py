"""A shard's public address, which follows the shard from hub to hub.

An address that a hub has taken ends by itself unless it is taken again, so a hub that is stopped loses it too. That
keeps the network clean; what keeps two hubs from forwarding is the gate (`tenure`).
"""

from __future__ import annotations

import math
import socket
import struct
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

import structlog
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from appliance.cluster.errors import ClusterError
from appliance.host.clocks import boottime

log = structlog.get_logger()

Address = IPv4Address | IPv6Address

_NO_DAD = 0x02  # IFA_F_NODAD of <linux/if_addr.h>: the former owner may still answer for the address
_ALL_NODES = "ff02::1"
_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP, _ETHERTYPE_IPV4 = 0x0806, 0x0800
_ARP_REQUEST = struct.Struct("!6s6sH HHBBH 6s4s6s4s")
_ADVERTISEMENT = struct.Struct("!BBHI16sBB6s")
# Others' tables are corrected again and again at first, as a broadcast may be lost, and now and then later.
_BUSY_S, _PAUSE_S = 5.0, 10.0
_COMMAND_S = 10.0


class AddressUnavailable(ClusterError):
    """The host refused the address, or the operator's command failed."""


class PublicAddress(Protocol):
    """A way to have packets for an address come to this host."""

    def take(self, seconds: float) -> None:
        """Have the address lead here for this time from now; called again and again while it shall.

        Raises:
            AddressUnavailable: the host or the command refused.
        """

    def drop(self, *, is_ours: bool = True) -> None:
        """Give the address up.

        Args:
            is_ours: no other host can have it yet. What leads elsewhere by now is not to be touched.

        Raises:
            AddressUnavailable: the command refused.
        """


class HostAddress:
    """The address on a link of the host, such as ``lo``, for a routing daemon that tells others of it.

    Args:
        address: the address.
        interface: name of the link, in the network namespace of the thread that calls.

    Raises:
        AddressUnavailable: (every method) there is no such link, or the kernel refused.
    """

    def __init__(self, address: Address, interface: str) -> None:
        self.address = address
        self.interface = interface
        try:
            self._index = socket.if_nametoindex(interface)
        except OSError:
            raise AddressUnavailable(f"this host has no link {interface}") from None

    def take(self, seconds: float) -> None:
        """Put the address on the link; the kernel takes it off again after this time, in whole seconds.

        It is rarely late by more than a quarter of a second, and never by more than one, as it takes off together what
        ends at about the same time.
        """
        whole = max(1, math.ceil(seconds))
        lifetime = {"ifa_preferred": whole, "ifa_valid": whole, "cstamp": 0, "tstamp": 0}
        try:
            self._ask("replace", IFA_CACHEINFO=lifetime, flags=_NO_DAD)
        except NetlinkError as error:
            raise AddressUnavailable(f"{self.address} can't be put on {self.interface}: {error}") from error

    def drop(self, *, is_ours: bool = True) -> None:
        """Take the address off the link, if it is there, whoever else has it by now."""
        del is_ours
        # It may have ended by itself.
        with suppress(NetlinkError):
            self._ask("del")

    def _ask(self, verb: str, **more: object) -> None:
        with IPRoute() as netlink:
            prefix = self.address.max_prefixlen
            netlink.addr(verb, index=self._index, address=str(self.address), prefixlen=prefix, **more)


class LanAddress(HostAddress):
    """The address on a link to a LAN, whose hosts are told where it is now (gratuitous ARP, unsolicited NDP)."""

    def __init__(self, address: Address, interface: str) -> None:
        super().__init__(address, interface)
        self._since: float | None = None
        self._announced_at = 0.0

    def take(self, seconds: float) -> None:
        """Put the address on the link, and tell the LAN of it when it is new, and every ten seconds."""
        super().take(seconds)
        now = boottime()
        if self._since is None:
            self._since = now
        if now - self._since < _BUSY_S or now - self._announced_at > _PAUSE_S:
            self._announced_at = now
            try:
                self._announce()
            except OSError as error:
                log.warning("the LAN could not be told of an address", address=str(self.address), error=str(error))

    def drop(self, *, is_ours: bool = True) -> None:
        """Take the address off the link."""
        self._since = None
        super().drop(is_ours=is_ours)

    def _announce(self) -> None:
        if isinstance(self.address, IPv4Address):
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
                sock.bind((self.interface, _ETHERTYPE_ARP))
                sock.send(_gratuitous_arp(sock.getsockname()[4], self.address))
            return
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
            link.bind((self.interface, 0))
            own = link.getsockname()[4]
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            sock.bind((str(self.address), 0, 0, self._index))
            sock.sendto(_unsolicited_advertisement(own, self.address), (_ALL_NODES, 0, 0, self._index))


class CommandAddress:
    """The address at a provider, which a command of the operator's leads to this host.

    It is called as ``COMMAND take ADDRESS`` when the hub becomes the owner, and as ``COMMAND drop ADDRESS`` when it
    gives the shard up. A hub whose lease has ended does not call it: the address may be another host's by then.
    It runs beside the renewals, since a provider may take its time.

    Args:
        address: the address.
        command: program and its first arguments.
    """

    def __init__(self, address: Address, command: Sequence[str]) -> None:
        self._address = address
        self._command = tuple(command)
        self._taking: threading.Thread | None = None
        self._is_taken = False

    def take(self, seconds: float) -> None:
        """Run the command, unless it runs or has succeeded; a failed one is run again."""
        del seconds
        if self._is_taken or (self._taking is not None and self._taking.is_alive()):
            return
        self._taking = threading.Thread(target=self._take, name="address", daemon=True)
        self._taking.start()

    def drop(self, *, is_ours: bool = True) -> None:
        """Run the command and wait for its end, if the address was taken since the last time and is still ours."""
        if not is_ours or self._taking is None:
            return
        self._taking.join()
        self._taking, self._is_taken = None, False
        self._run("drop")

    def _take(self) -> None:
        try:
            self._run("take")
            self._is_taken = True
        except AddressUnavailable as error:
            log.error("an address could not be taken", address=str(self._address), error=str(error))

    def _run(self, verb: str) -> None:
        try:
            done = subprocess.run(
                [*self._command, verb, str(self._address)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_COMMAND_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise AddressUnavailable(f"{self._command[0]} can't be run: {error}") from error
        if done.returncode != 0:
            raise AddressUnavailable(f"{self._command[0]} {verb} ended with {done.returncode}: {done.stderr.strip()}")


def _gratuitous_arp(hardware: bytes, address: IPv4Address) -> bytes:
    """Ethernet frame with an ARP request for one's own address, as RFC 5944 (4.6) describes it."""
    return _ARP_REQUEST.pack(
        _BROADCAST,
        hardware,
        _ETHERTYPE_ARP,
        *(1, _ETHERTYPE_IPV4, 6, 4, 1),
        hardware,
        address.packed,
        _BROADCAST,
        address.packed,
    )


def _unsolicited_advertisement(hardware: bytes, address: IPv6Address) -> bytes:
    """ICMPv6 neighbour advertisement that overrides what others know (RFC 4861, 4.4); the kernel adds the checksum."""
    override, target_link_layer_address, units = 0x20000000, 2, 1
    return _ADVERTISEMENT.pack(136, 0, 0, override, address.packed, target_link_layer_address, units, hardware)
