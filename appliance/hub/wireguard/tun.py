"""TUN links for other processes (Linux, Documentation/networking/tuntap.rst)."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.hub.errors import LinkError, reason
from appliance.hub.kernel import links, netlink
from appliance.hub.kernel.rtnetlink import RouteSocket

_DEVICE = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000
# <linux/if_link.h>, IFLA_TUN_PI and IFLA_TUN_VNET_HDR
_PROTOCOL_INFORMATION, _OFFLOADS = 4, 5
# struct ifreq: the name, and of the union the flags.
_REQUEST = struct.Struct("16sH22x")


@dataclass(frozen=True)
class Format:
    """Headers before each packet that is read from a TUN link or written to it.

    Attributes:
        information: four bytes with the packet's protocol.
        offloads: a virtio_net header, which allows many packets in one.
    """

    information: bool
    offloads: bool


@contextmanager
def made(link: str, format_: Format) -> Iterator[int]:
    """Create a TUN link in the calling thread's namespace; it lives as long as this descriptor is open.

    Raises:
        LinkError: the kernel refused.
    """
    flags = _IFF_TUN
    if not format_.information:
        flags |= _IFF_NO_PI
    if format_.offloads:
        flags |= _IFF_VNET_HDR
    try:
        descriptor = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise LinkError(f"{_DEVICE} can't be opened: {error.strerror}") from error
    try:
        try:
            fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(link.encode(), flags))
        except OSError as error:
            raise LinkError(f"link {link} can't be made: {error.strerror}") from error
        yield descriptor
    finally:
        os.close(descriptor)


def format_of(link: str) -> Format:
    """Read the format of a TUN link in the calling thread's namespace.

    Raises:
        LinkError: there is no such link.
    """
    try:
        index = links.index(link)
        with RouteSocket() as socket:
            (found,) = (each for each in socket.links() if each.index == index)
    except (ValueError, OSError) as error:
        raise LinkError(f"link {link} can't be looked at: {reason(error)}") from error
    information = dict(netlink.attributes(found.information))
    return Format(*(any(information.get(kind, b"")) for kind in (_PROTOCOL_INFORMATION, _OFFLOADS)))
