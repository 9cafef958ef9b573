"""Readiness of IPv6 addresses: a moment passes until neighbours can find a new one.

A neighbour asks for an address at a multicast group that belongs to it (RFC 4291, 2.7.1). The kernel joins the group a
moment after it has taken the address. An earlier question is dropped, and repeated after a second.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

from netlab.errors import NothingArrived
from netlab.namespaces import Namespaces
from netlab.rtnetlink import CARRIER_TIMEOUT_S
from netlab.waiting import wait_until

_PAUSE_S = 0.001
_GROUPS = int(ipaddress.IPv6Address("ff02::1:ff00:0"))


def wait_until_found(namespaces: Namespaces, interface: str, addresses: Iterable[str]) -> None:
    """Waits until neighbours that ask for these addresses get an answer. IPv4 addresses are ready at once.

    Args:
        namespaces: namespaces that have the interface.
        interface: name of an interface that is up and has the addresses.
        addresses: the addresses, with prefix length.

    Raises:
        NothingArrived: they are not ready within `CARRIER_TIMEOUT_S`.
    """
    wanted = {_group(each.ip) for each in map(ipaddress.ip_interface, addresses) if each.version == 6}
    if wanted and not wait_until(
        lambda: wanted <= namespaces.enter(lambda: _joined(interface)), CARRIER_TIMEOUT_S, pause_s=_PAUSE_S
    ):
        raise NothingArrived(f"{interface} in the groups {', '.join(sorted(wanted))}", CARRIER_TIMEOUT_S)


def _group(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"{_GROUPS | int(address) & 0xFFFFFF:032x}"


def _joined(interface: str) -> set[str]:
    lines = (line.split() for line in Path("/proc/thread-self/net/igmp6").read_text().splitlines())
    return {words[2] for words in lines if words[1] == interface}
